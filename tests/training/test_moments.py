from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.networks.conditions import one_hot
from fl_components.training.moments import LEAST, covariances, mean_error, spread_error
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


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mean_error_is_that_of_the_tissue_means(seed: int) -> None:
    labels = make_labels(seed)
    images, real = noise(seed), noise(seed + 1)
    counts = {label: int((labels == label).sum()) for label in range(1, 7)}
    expected = np.mean([[abs(images[0, c][labels[0] == label].mean() - real[0, c][labels[0] == label].mean())
                         for c in range(4)] for label, count in counts.items() if count >= LEAST])
    assert mean_error(images, real, one_hot(labels)).item() == pytest.approx(float(expected), rel=1e-4)


@settings(max_examples=15, deadline=None)
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


def test_a_brain_without_tumour_and_an_empty_patch_ask_for_nothing() -> None:
    healthy, empty = torch.full((1, *SHAPE), 3), torch.zeros((1, *SHAPE), dtype=torch.long)
    assert spread_error(noise(0), noise(1), one_hot(healthy)).item() == 0
    assert mean_error(noise(0), noise(1), one_hot(empty)).item() == 0
    few = healthy.clone()
    few[0, 5, 5, :LEAST - 1] = ENHANCING
    assert spread_error(noise(0), noise(1), one_hot(few)).item() == 0
