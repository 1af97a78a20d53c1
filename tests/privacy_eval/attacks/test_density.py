"""DOMIAS and DPI: known densities, naive re-implementations, releases that have no density."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal, spearmanr

from privacy_eval.attacks.density import domias_scores, dpi_scores


def log_density(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Gaussian kernels of Scott's width, written out."""
    n, d = known.shape
    covariance = np.cov(known, rowvar=False) * n ** (-2 / (d + 4))
    return np.log([np.mean(multivariate_normal(point, covariance).pdf(known)) for point in points])


def components(both: np.ndarray, count: int) -> np.ndarray:
    """Columns: principal directions by the covariance's eigenvectors."""
    return np.linalg.eigh(np.cov(both, rowvar=False))[1][:, ::-1][:, :count]


@pytest.mark.parametrize("features", [3, 12])
def test_domias_against_a_naive_one(features: int) -> None:
    rng = np.random.default_rng(features)
    release, reference, queries = (rng.normal(size=(n, features)) for n in (40, 50, 7))
    axes = components(np.concatenate([release, reference]), min(8, features))
    expected = log_density(queries @ axes, release @ axes) - log_density(queries @ axes, reference @ axes)
    np.testing.assert_allclose(domias_scores(queries, release, reference), expected, rtol=1e-6, atol=1e-8)


def test_domias_tends_to_the_true_ratio_of_densities() -> None:
    rng = np.random.default_rng(0)
    release, reference = rng.normal(1, 1, (4000, 1)), rng.normal(0, 1, (4000, 1))
    queries = np.linspace(-1, 2, 9)[:, None]
    np.testing.assert_allclose(domias_scores(queries, release, reference), queries[:, 0] - 0.5, atol=0.25)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_release_without_a_density_is_scored_in_fewer_components(rank: int) -> None:
    rng = np.random.default_rng(rank)
    release = rng.normal(size=(30, rank)) @ rng.normal(size=(rank, 20)) + np.ones(20)
    scores = domias_scores(rng.normal(size=(6, 20)), release, rng.normal(size=(40, 20)))
    assert np.isfinite(scores).all()
    assert (scores == 0).all() == (rank == 0)


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_a_release_of_few_rows_has_finite_scores(rows: int) -> None:
    rng = np.random.default_rng(rows)
    scores = domias_scores(rng.normal(size=(5, 30)), rng.normal(size=(rows, 30)), rng.normal(size=(rows, 30)))
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()


def test_nothing_but_one_image_says_nothing() -> None:
    np.testing.assert_array_equal(domias_scores(np.eye(3), np.ones((4, 3)), np.ones((5, 3))), np.zeros(3))


def test_domias_does_not_depend_on_scale_or_on_what_else_is_asked() -> None:
    rng = np.random.default_rng(3)
    release, reference, queries = rng.normal(size=(3, 40, 10))
    scores = domias_scores(queries, release, reference)
    np.testing.assert_allclose(domias_scores(queries[:5], release, reference), scores[:5])
    np.testing.assert_allclose(domias_scores(10 * queries, 10 * release, 10 * reference), scores, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_dpi_against_a_naive_one(k: int) -> None:
    rng = np.random.default_rng(k)
    release, reference, queries = (rng.normal(size=(n, 4)) for n in (30, 60, 15))
    expected = []
    for row in cdist(queries, np.concatenate([release, reference])):
        synthetic = sum(index < 30 for index in sorted(range(90), key=lambda index: row[index])[:k])
        expected.append(np.log((synthetic + 0.5) / (k - synthetic + 0.5)) - np.log(30 / 60))
    scores = dpi_scores(queries, release, reference, k)
    np.testing.assert_allclose(scores, expected)
    assert len(np.unique(scores)) <= k + 1


def test_dpi_is_about_0_where_release_and_population_are_alike_whatever_their_sizes() -> None:
    rng = np.random.default_rng(4)
    scores = dpi_scores(rng.normal(size=(300, 2)), rng.normal(size=(900, 2)), rng.normal(size=(300, 2)), 40)
    assert np.median(scores) == pytest.approx(0, abs=0.2)


def test_dpi_takes_all_there_are_when_there_are_few() -> None:
    scores = dpi_scores(np.zeros((2, 3)), np.ones((4, 3)), np.ones((6, 3)), 20)
    np.testing.assert_allclose(scores, np.log(4.5 / 6.5) - np.log(4 / 6))


def test_both_rank_members_of_an_overfitted_release_higher() -> None:
    rng = np.random.default_rng(5)
    members, holdout, reference = rng.normal(size=(3, 100, 4))
    release = np.repeat(members, 4, axis=0) + rng.normal(0, 0.1, (400, 4))
    for attack, least in {domias_scores: 0.2, dpi_scores: 0.1}.items():
        scores = attack(np.concatenate([members, holdout]), release, reference)
        assert spearmanr(scores, np.arange(200) < 100).statistic > least


def test_patients_far_from_everything_have_finite_scores_in_their_order() -> None:
    rng = np.random.default_rng(6)
    scores = domias_scores(np.array([[0.0], [1e3], [1e4]]), rng.normal(0, 2, (50, 1)), rng.normal(0, 1, (50, 1)))
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()


def test_single_precision_gives_the_scores_of_double() -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(3, 60, 600))
    np.testing.assert_allclose(domias_scores(*vectors.astype(np.float32)), domias_scores(*vectors), atol=0.02)
