from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fl_components.networks.segmenter import (
    ARCHITECTURES,
    Architecture,
    build_critic,
    build_segmenter,
    labels_found,
    memberships,
)
from fl_components.vocabulary import NECROTIC, OEDEMA, REGIONS, TUMOUR


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(24, 28, 24), (17, 13, 9)])
def test_scores_of_every_region_on_any_grid(architecture: Architecture, shape: tuple[int, int, int]) -> None:
    scores = build_segmenter(architecture, 1)(torch.rand(2, 4, *shape))
    assert scores.shape == (2, len(REGIONS), *shape)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_seed_gives_the_same_network(architecture: Architecture) -> None:
    first, again, other = (build_segmenter(architecture, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_new_one_expects_few_voxels_in_any_region_and_fewer_in_the_inner(architecture: Architecture) -> None:
    with torch.inference_mode():
        shares = build_segmenter(architecture, 1)(torch.rand(1, 4, 24, 28, 24)).sigmoid().mean(dim=(0, 2, 3, 4))
    assert 0.2 > shares[0] > shares[1] > shares[2] > 0.001


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_but_parameters_is_kept(architecture: Architecture) -> None:
    """A buffer would be a running statistic of a site's subjects, averaged with the weights."""
    assert list(build_segmenter(architecture, 1).buffers()) == []
    assert list(build_critic(1).buffers()) == []


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    build_segmenter("segresnet", 1), build_critic(1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_critic_scores_patches_of_images_with_regions() -> None:
    assert build_critic(1)(torch.rand(1, 7, 16, 16, 16))[-1].shape[:2] == (1, 1)
    assert isinstance(build_critic(1), nn.Module)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_labels_come_back_from_their_regions(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 7, (5, 4, 3))
    found = labels_found(memberships(torch.from_numpy(labels)[None])[0] - 0.5)
    np.testing.assert_array_equal(found, np.where(np.isin(labels, TUMOUR), labels, 0))


def test_a_region_counts_only_within_the_one_before() -> None:
    """Whole tumour, core, enhancing: (yes, no, yes) is oedema, (no, yes, yes) nothing, (yes, yes, no) necrotic core."""
    scores = torch.tensor([[1.0, -1, 1], [-1, 1, 1], [1, 1, -1]]).T.reshape(3, 3, 1, 1)
    assert labels_found(scores).ravel().tolist() == [OEDEMA, 0, NECROTIC]
