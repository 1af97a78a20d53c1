from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.conditions import healthy_as_one, one_hot
from fl_components.networks.discriminator import Discriminator, local_mean
from fl_components.vocabulary import HEALTHY, NECROTIC

SHAPE = (16, 16, 16)


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(1, 4, *SHAPE, generator=rng), torch.randint(7, (1, *SHAPE), generator=rng),
            torch.rand(1, VECTOR_SIZE, generator=rng))


def relabelled(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """The same brain and tumour, CSF, grey and white matter drawn anew."""
    rng = torch.Generator().manual_seed(seed + 1)
    other = torch.tensor(HEALTHY)[torch.randint(len(HEALTHY), labels.shape, generator=rng)]
    return torch.where(torch.isin(labels, torch.tensor(HEALTHY)), other, labels)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_a_private_one_sees_neither_healthy_labels_nor_the_contrast(seed: int) -> None:
    """Whatever tells how a site labels healthy tissue cannot move its scores, so nor its noised sums."""
    images, labels, contrast = drawn(seed)
    network = Discriminator(4, 2, private=True).eval()
    with torch.inference_mode():
        scores = network(images, one_hot(labels), contrast)
        again = network(images, one_hot(relabelled(labels, seed)), 1 - contrast)
        empirical = Discriminator(4, 2).eval()
        seen = empirical(images, one_hot(labels), contrast)
        seen_again = empirical(images, one_hot(relabelled(labels, seed)), contrast)
    torch.testing.assert_close(scores, again, rtol=0, atol=0)
    assert not torch.equal(seen, seen_again)


@pytest.mark.parametrize("changed", ["images", "tumour"])
def test_a_private_one_sees_images_and_tumour(changed: str) -> None:
    images, labels, contrast = drawn(0)
    network = Discriminator(4, 2, private=True).eval()
    other = labels.clone()
    other[0, :8] = NECROTIC
    with torch.inference_mode():
        scores = network(images, one_hot(labels), contrast)
        moved = network(images.flip(2), one_hot(labels), contrast) if changed == "images" else network(
            images, one_hot(other), contrast)
    assert not torch.equal(scores, moved)


def test_healthy_as_one_keeps_one_label_a_voxel() -> None:
    anatomy = one_hot(drawn(1)[1])
    merged = healthy_as_one(anatomy)
    assert merged.shape[1] == 5
    assert (merged.sum(dim=1) == 1).all()
    torch.testing.assert_close(merged[:, 0], anatomy[:, 0])
    torch.testing.assert_close(merged[:, 2:], anatomy[:, 4:])


def test_a_local_mean_is_that_of_27_voxels() -> None:
    images = torch.rand(2, 4, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    expected = F.avg_pool3d(F.pad(images, (1,) * 6, mode="replicate"), 3, stride=1)
    torch.testing.assert_close(local_mean(images), expected)
