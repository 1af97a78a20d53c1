from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.networks.conditions import one_hot
from fl_components.training.moments import LEAST, covariances, grain_error, mean_error, spread_error
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA

SHAPE = (12, 13, 14)


def make_labels(seed: int = 0) -> torch.Tensor:
    """White matter with a ball of all three tumour tissues."""
    places = np.indices(SHAPE)
    centre = np.random.default_rng(seed).uniform(5, 7, 3)
    distance = np.sqrt(((places - centre.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    found = np.array([3, OEDEMA, ENHANCING, NECROTIC])[np.digitize(-distance, [-5, -3.5, -2])]
    return torch.from_numpy(found)[None].long()


def noise(seed: int, strength: float = 0.1) -> torch.Tensor:
    return 0.5 + strength * torch.randn(1, 4, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_an_image_of_itself_has_no_error() -> None:
    anatomy = one_hot(make_labels())
    assert mean_error(noise(0), noise(0), anatomy).item() == 0
    assert spread_error(noise(0), noise(0), anatomy).item() == 0


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_mean_error_is_that_of_the_tissue_means(seed: int) -> None:
    labels = make_labels(seed)
    images, real = noise(seed), noise(seed + 1)
    counts = {label: int((labels == label).sum()) for label in range(1, 7)}
    expected = np.mean([[abs(images[0, c][labels[0] == label].mean() - real[0, c][labels[0] == label].mean())
                         for c in range(4)] for label, count in counts.items() if count >= LEAST])
    assert mean_error(images, real, one_hot(labels)).item() == pytest.approx(float(expected), rel=1e-4)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_covariances_are_numpys(seed: int) -> None:
    inside = make_labels(seed)[0] == OEDEMA
    images = noise(seed)[0]
    found = covariances(images, inside.float())[0].numpy()
    np.testing.assert_allclose(found, np.cov(images[:, inside].numpy(), bias=True), atol=1e-6)


def test_averaging_keeps_wide_patches_and_loses_noise() -> None:
    inside = torch.ones(SHAPE)
    wide = torch.sin(torch.linspace(0, 2 * np.pi, SHAPE[2])).expand(4, *SHAPE)
    kept = [float(smooth[0, 0] / raw[0, 0]) for raw, smooth in (
        covariances(field, inside) for field in (wide, noise(1)[0]))]
    assert kept[0] > 0.3
    assert kept[1] < 0.05


def test_spread_error_knows_nothing_of_where_and_of_how_bright() -> None:
    """The texture mirrored in a symmetric tumour, and brighter, is no error; more of it and less is."""
    labels = make_labels()
    anatomy, real = one_hot(torch.maximum(labels, labels.flip(1))), noise(3)
    assert spread_error(real.flip(2) + 0.2, real, anatomy).item() == pytest.approx(0, abs=1e-4)
    errors = [spread_error(0.5 + factor * (real - 0.5), real, anatomy).item() for factor in (0.5, 0.9, 1.0, 1.5)]
    assert errors[0] > errors[1] > errors[2] == pytest.approx(0, abs=1e-6)
    assert errors[3] > errors[1]


def test_the_tissue_without_spread_is_taught_it() -> None:
    """Gradient descent on the strength of a fixed field finds the scan's."""
    anatomy, field, strength = one_hot(make_labels()), noise(5, 1.0) - 0.5, torch.tensor(0.02, requires_grad=True)
    optimiser = torch.optim.Adam([strength], 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        spread_error(strength * field, noise(6, 0.15), anatomy).backward()
        optimiser.step()
    assert strength.item() == pytest.approx(0.15, abs=0.02)


BIG = (28, 28, 28)
DEEP = (..., *[slice(6, -6)] * 3)
"""Beyond the reach of averages from the volume's edge, where 0 begins."""


def white(seed: int, strength: float) -> torch.Tensor:
    return strength * torch.randn(20, 4, *BIG, generator=torch.Generator().manual_seed(seed))


def deep_white_matter() -> torch.Tensor:
    labels = torch.zeros(20, *BIG, dtype=torch.long)
    labels[DEEP] = 3
    return one_hot(labels)


def detail_gain() -> float:
    """Variance of white noise through (identity less average) and (average less six averages), mean, by the kernels."""
    once = np.array([0.21, 0.58, 0.21])
    often = once
    for _ in range(5):
        often = np.convolve(often, once)
    place, inner = np.zeros(13), np.zeros(13)
    place[6], inner[5:8] = 1, once
    kernels = [np.einsum("i,j,k->ijk", one, one, one) for one in (place, inner, often)]
    return float(np.mean([((kernels[k] - kernels[k + 1])**2).sum() for k in range(2)]))


def test_grain_error_is_a_difference_of_variances() -> None:
    """Where each sequence has noise of its own, of 4 in 16 pairs of sequences; sampling adds a little of the others."""
    found = grain_error(white(0, 0.1), white(1, 0.2), deep_white_matter()).item()
    assert found == pytest.approx((0.2**2 - 0.1**2) * detail_gain() / 0.001 / 4, rel=0.08)


def test_noise_of_one_sequence_and_structure_in_all_are_not_alike() -> None:
    """Of one variance: what differs are the other 12 pairs."""
    through_all = white(0, 0.1)[:, :1].expand(-1, 4, -1, -1, -1)
    found = grain_error(through_all, white(1, 0.1), deep_white_matter()).item()
    assert found == pytest.approx(0.1**2 * detail_gain() / 0.001 * 12 / 16, rel=0.05)


def test_a_smooth_difference_is_no_grain() -> None:
    real, anatomy = white(2, 0.1), deep_white_matter()
    shading = 0.3 * torch.linspace(0, 1, BIG[2])
    assert grain_error(real + shading, real, anatomy).item() == pytest.approx(0, abs=0.1)
    assert grain_error(real, real, anatomy).item() == 0


def test_grain_is_compared_in_healthy_tissue_alone() -> None:
    labels = torch.full((20, *BIG), OEDEMA)
    labels[:, 0] = 3
    inside = torch.zeros(BIG)
    inside[8:] = 1  # farther from the healthy plane than averages reach
    real = white(3, 0.1)
    assert grain_error(real + inside * white(4, 0.1), real, one_hot(labels)).item() == pytest.approx(0, abs=1e-5)


def test_a_brain_without_tumour_and_an_empty_patch_ask_for_nothing() -> None:
    healthy, empty = torch.full((1, *SHAPE), 3), torch.zeros((1, *SHAPE), dtype=torch.long)
    assert spread_error(noise(0), noise(1), one_hot(healthy)).item() == 0
    assert mean_error(noise(0), noise(1), one_hot(empty)).item() == 0
    few = healthy.clone()
    few[0, 5, 5, :LEAST - 1] = ENHANCING
    assert spread_error(noise(0), noise(1), one_hot(few)).item() == 0
