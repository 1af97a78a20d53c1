from __future__ import annotations

import pytest
import torch
from torch import nn

from fl_components.networks.segmenter import ARCHITECTURES, CLASSES, Architecture, build_critic, build_segmenter


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(24, 28, 24), (17, 13, 9)])
def test_scores_of_every_class_on_any_grid(architecture: Architecture, shape: tuple[int, int, int]) -> None:
    scores = build_segmenter(architecture, 1)(torch.rand(2, 4, *shape))
    assert scores.shape == (2, len(CLASSES), *shape)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_seed_gives_the_same_network(architecture: Architecture) -> None:
    first, again, other = (build_segmenter(architecture, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


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


def test_critic_scores_patches_of_images_with_classes() -> None:
    assert build_critic(1)(torch.rand(1, 8, 16, 16, 16))[-1].shape[:2] == (1, 1)
    assert isinstance(build_critic(1), nn.Module)
