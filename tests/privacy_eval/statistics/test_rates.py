"""T3: thresholds that keep their rate, exact bounds, and a p-value that keeps its level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import clopper_pearson
from privacy_eval.statistics.rates import (
    RateCounts,
    answerable,
    conservative_threshold,
    holdout_needed,
    rate_counts,
)


@pytest.mark.parametrize(("fpr", "n"), [(0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)])
def test_holdout_that_can_answer(fpr: float, n: int) -> None:
    assert holdout_needed(fpr) == n
    assert answerable(n, fpr)
    assert not answerable(n - 1, fpr)
    assert clopper_pearson(0, n)[1] <= fpr < clopper_pearson(0, n - 1)[1]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sampled_from([0.01, 0.05, 0.1, 0.25]))
def test_threshold_against_its_definition(scores: list[int], fpr: float) -> None:
    k = len(scores)
    possible = [score for score in scores if sum(other >= score for other in scores) <= fpr * (k + 1) + 1e-9]
    found = conservative_threshold(np.array(scores, float), fpr)
    distinct = len(set(scores)) == k
    if possible and distinct:
        assert found == min(possible)
    assert found in scores
    assert sum(score > found for score in scores) <= max(fpr * (k + 1) + 1e-9 - 1, 0)


@pytest.mark.parametrize(("k", "fpr"), [(9, 0.1), (29, 0.1), (45, 0.1), (99, 0.01), (150, 0.01)])
def test_a_new_patient_exceeds_the_threshold_at_most_at_the_rate(k: int, fpr: float) -> None:
    rng = np.random.default_rng(k)
    exceeded = np.mean([rng.random() > conservative_threshold(rng.random(k), fpr) for _ in range(4000)])
    expected = np.floor(fpr * (k + 1) + 1e-9) / (k + 1)
    assert expected <= fpr + 1e-12
    assert exceeded == pytest.approx(expected, abs=4 * np.sqrt(fpr / 4000))


def test_counts_are_of_patients_who_have_no_part_in_the_threshold() -> None:
    counts = rate_counts(np.full(31, 2.0), np.linspace(0, 1, 61), 0.1, np.random.default_rng(0))
    assert (counts.n_members, counts.n_holdout, counts.fpr) == (31, 31, 0.1)
    assert counts.true_positives == 31
    assert 0 < counts.false_positives < 12


def test_scores_that_are_all_the_same_accuse_nobody() -> None:
    counts = rate_counts(np.ones(40), np.ones(40), 0.1, np.random.default_rng(0))
    assert (counts.true_positives, counts.false_positives) == (0, 0)


def test_true_positive_rate_of_gaussian_scores() -> None:
    rng = np.random.default_rng(1)
    counts = rate_counts(rng.normal(1, 1, 40_000), rng.normal(0, 1, 40_000), 0.1, rng)
    assert counts.true_positives / counts.n_members == pytest.approx(norm.cdf(1 + norm.ppf(0.1)), abs=0.015)
    assert counts.false_positives / counts.n_holdout == pytest.approx(0.1, abs=0.008)


def test_too_few_patients_are_named() -> None:
    with pytest.raises(InputError, match="T3: found 1 holdout"):
        rate_counts(np.ones(5), np.ones(1), 0.1, np.random.default_rng(0))


def test_bounds_are_clopper_and_pearsons() -> None:
    counts = RateCounts(7, 50, 2, 60, 0.1)
    assert counts.true_positive_bounds() == clopper_pearson(7, 50)
    assert counts.false_positive_bounds(0.9) == clopper_pearson(2, 60, 0.9)
