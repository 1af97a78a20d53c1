from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from fl_components.networks.embedding import GRID, build_embedding
from fl_components.training.embedding import (
    Recipe,
    blur,
    contrastive_loss,
    make_views,
    sample_pool,
    train_embedding,
)

TINY = Recipe(subjects=4, batch=4)


@pytest.fixture(scope="module")
def anatomies() -> np.ndarray:
    return sample_pool(TINY, seed=3)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_anatomy_depends_on_the_seed_and_its_place_alone(anatomies: np.ndarray) -> None:
    done: list[int] = []
    longer = sample_pool(replace(TINY, subjects=5), seed=3, on_done=done.append)
    assert done == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(longer[:4], anatomies)
    assert (sample_pool(replace(TINY, subjects=1), seed=4)[0] != anatomies[0]).any()


def test_same_seed_same_weights_and_another_seed_others(anatomies: np.ndarray) -> None:
    first, again, other = (train_embedding(anatomies, TINY, seed, steps=2).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    untrained = build_embedding(1).state_dict()
    assert any(not torch.equal(first[name], untrained[name]) for name in first)


def test_training_learns_to_tell_subjects_apart(anatomies: np.ndarray) -> None:
    losses: list[float] = []
    network = train_embedding(anatomies, TINY, 0, 15, lambda done, loss: losses.append(loss))
    assert len(losses) == 15
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert not network.training


def test_loss_is_the_naive_one_and_small_for_perfect_pairs() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(6, 5, generator=rng(0)), dim=1)
    expected = []
    for k in range(6):
        partner = (k + 3) % 6
        weights = [float(torch.exp(vectors[k] @ vectors[j] / 0.5)) for j in range(6) if j != k]
        expected.append(-np.log(float(torch.exp(vectors[k] @ vectors[partner] / 0.5)) / sum(weights)))
    found = contrastive_loss(vectors[:3], vectors[3:], 0.5)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)
    perfect = torch.eye(8)
    assert float(contrastive_loss(perfect, perfect, 0.05)) < 1e-6
    same = torch.ones(8, 4) / 2
    assert float(contrastive_loss(same, same, 0.1)) == pytest.approx(np.log(15), rel=1e-5)


def test_views_differ_are_finite_and_have_an_empty_background(anatomies: np.ndarray) -> None:
    labels = torch.from_numpy(anatomies).long()
    contrast = torch.rand(24, generator=rng(0))
    first, second = (make_views(labels, contrast, TINY, rng(seed)) for seed in (1, 2))
    assert first.shape == (4, 4, *GRID.shape)
    assert torch.isfinite(first).all()
    assert (first[:, :, 0] == 0).all()
    assert not torch.allclose(first, second, atol=0.05)
    assert torch.equal(first, make_views(labels, contrast, TINY, rng(1)))


def test_blur_is_scipys_and_none_is_none() -> None:
    images = torch.rand(2, 1, 20, 22, 24, generator=rng(0))
    found = blur(images, torch.tensor([0.0, 1.2]))
    torch.testing.assert_close(found[0], images[0])
    expected = ndimage.gaussian_filter(images[1, 0].numpy(), 1.2, truncate=8)
    inside = (slice(6, -6),) * 3
    np.testing.assert_allclose(found[1, 0].numpy()[inside], expected[inside], atol=1e-4)
