"""Permuted labels: exact against full enumeration, patients move as one, and the level is kept."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from privacy_eval.statistics.permutation import permutation_p_values, permutation_test, permuted_labels


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_rows_of_a_patient_move_together_and_the_number_of_members_stays(
    n_members: int, n_holdout: int, images: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    owners = rng.permutation(np.repeat(np.arange(n_members + n_holdout) * 7, images))
    labels = permuted_labels(owners < 7 * n_members, owners, 20, rng)
    assert labels.shape == (20, len(owners))
    assert (labels.sum(axis=1) == n_members * images).all()
    for patient in np.unique(owners):
        mine = labels[:, owners == patient]
        assert (mine == mine[:, :1]).all()


def test_every_assignment_is_as_likely_as_any_other() -> None:
    labels = permuted_labels(np.arange(4) < 2, np.arange(4), 6000, np.random.default_rng(0))
    _, counts = np.unique(labels, axis=0, return_counts=True)
    low, high = binom.ppf([1e-4, 1 - 1e-4], 6000, 1 / 6)
    assert len(counts) == 6
    assert ((low <= counts) & (counts <= high)).all()


def test_a_patient_with_both_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="one label a patient"):
        permuted_labels(np.array([True, False]), np.array([0, 0]), 5, np.random.default_rng(0))


def test_p_values_count_the_draws_that_are_as_high_and_the_observed_one() -> None:
    observed = np.array([2.0, 0.5, 9.0])
    drawn = np.array([[1.0, 0.5, 0], [2.0, 0.5, 0], [3.0, 0.5, 0]])
    np.testing.assert_allclose(permutation_p_values(observed, drawn), [3 / 4, 1, 1 / 4])


def test_sums_that_differ_in_their_last_digit_are_ties() -> None:
    assert permutation_p_values(np.array([0.1 + 0.2]), np.array([[0.3]])) == 1


def test_test_agrees_with_the_enumeration_of_all_assignments() -> None:
    rng = np.random.default_rng(1)
    values, is_member = rng.normal(size=8), np.arange(8) < 3
    everything = [values[list(rows)].mean() for rows in combinations(range(8), 3)]
    exact = np.mean(np.array(everything) >= values[:3].mean() - 1e-12)
    observed, p = permutation_test(lambda members: values[members].mean(keepdims=True), is_member, np.arange(8), rng,
                                   draws=5000)
    assert observed[0] == pytest.approx(values[:3].mean())
    assert p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 5000))


def test_p_values_are_uniform_when_labels_are_exchangeable() -> None:
    rng = np.random.default_rng(2)
    owners = np.repeat(np.arange(20), 2)
    found = []
    for _ in range(400):
        values = np.repeat(rng.normal(size=20), 2) + 0.1 * rng.normal(size=40)
        means = lambda members, values=values: np.array([values[members].mean()])  # noqa: E731
        found.append(permutation_test(means, owners < 10, owners, rng, draws=39)[1][0])
    assert kstest(found, lambda x: np.floor(40 * np.asarray(x)) / 40).pvalue > 1e-3
