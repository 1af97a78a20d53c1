"""Lower bounds of ε against plain loops, closed forms and the published table of perfect attacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from dp_accounting import get_epsilon_gaussian, get_sigma_gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from privacy_eval.errors import InputError
from privacy_eval.statistics.epsilon import (
    clopper_pearson_epsilon,
    count_guesses,
    epsilon_lower_bounds,
    fdp_one_run_mu,
    gdp_mu,
    one_run_epsilon,
    one_run_p_value,
)
from privacy_eval.statistics.tradeoff import gdp_epsilon

NORMAL = NormalDist()
SCORES = st.lists(st.integers(-4, 6), min_size=1, max_size=25)
DELTA = st.sampled_from([0.0, 1e-5, 1e-2])


def halve(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where `holds` turns from true at `low` to false at `high`."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def naive_counts(inside: list[int], outside: list[int], threshold: float | None) -> list[tuple[int, int]]:
    """Right and wrong guesses at each candidate: the scores with j/8 of the others below them, and above all."""
    pooled = sorted(inside + outside)
    ranks = {math.ceil(j * (len(pooled) - 1) / 8) for j in range(1, 8)}
    candidates = {float(pooled[rank]) for rank in ranks} | {math.inf} if threshold is None else {threshold}
    return [(sum(s >= t for s in inside), sum(s >= t for s in outside)) for t in sorted(candidates)]


def naive_rate_high(count: int, n: int, alpha: float) -> float:
    return 1.0 if count == n else halve(lambda rate: binom.cdf(count, n, rate) > alpha, 0, 1)


def naive_clopper_pearson(counts: list[tuple[int, int]], n_in: int, n_out: int, delta: float, alpha: float) -> float:
    best = 0.0
    for right, wrong in counts:
        tpr_low = 1 - naive_rate_high(n_in - right, n_in, alpha / 2 / len(counts))
        fpr_high = naive_rate_high(wrong, n_out, alpha / 2 / len(counts))
        if tpr_low > delta:
            best = max(best, math.log((tpr_low - delta) / fpr_high))
    return best


def naive_gdp_mu(counts: list[tuple[int, int]], n_in: int, n_out: int, alpha: float) -> float:
    best = 0.0
    for right, wrong in counts:
        fnr_high = naive_rate_high(n_in - right, n_in, alpha / 2 / len(counts))
        fpr_high = naive_rate_high(wrong, n_out, alpha / 2 / len(counts))
        if fnr_high < 1 and fpr_high < 1:
            best = max(best, -NORMAL.inv_cdf(fpr_high) - NORMAL.inv_cdf(fnr_high))
    return best


def naive_one_run_p_value(epsilon: float, delta: float, n: int, named: int, right: int) -> float:
    """In exact fractions, the probabilities summed one by one."""
    rate = Fraction(1 / (1 + math.exp(-epsilon)))

    def mass(k: int) -> Fraction:
        return math.comb(named, k) * rate**k * (1 - rate) ** (named - k)

    tail = sum((mass(k) for k in range(right, named + 1)), Fraction(0))
    slope, below = Fraction(0), Fraction(0)
    for i in range(1, right + 1):
        below += mass(right - i)
        slope = max(slope, below / i)
    return min(1.0, float(tail + 2 * n * Fraction(delta) * slope))


def naive_one_run(counts: list[tuple[int, int]], n: int, delta: float, alpha: float) -> float:
    best = 0.0
    for right, wrong in counts:

        def contradicted(epsilon: float, right: int = right, wrong: int = wrong) -> bool:
            return naive_one_run_p_value(epsilon, delta, n, right + wrong, right) <= alpha / len(counts)

        if right and contradicted(0.0):
            best = max(best, halve(contradicted, 0.0, 20.0))
    return best


def naive_fdp_contradicted(epsilon: float, delta: float, n: int, right: int, wrong: int, alpha: float) -> bool:
    mu, named = 1 / get_sigma_gaussian(epsilon, delta), right + wrong
    r, h = alpha * right / n, alpha * wrong / n
    for i in range(right - 1, -1, -1):
        blown = NORMAL.cdf(NORMAL.inv_cdf(r) - mu) if 0 < r < 1 else r
        raised = max(h, blown)
        if raised == h:
            break
        r, h = min(1.0, r + i * (raised - h) / (named - i)), raised
    return r + h > named / n


@settings(max_examples=60)
@given(SCORES, SCORES, DELTA, st.sampled_from([None, 0.5, 2.0]), st.sampled_from([0.9, 0.95, 0.5]))
def test_population_bounds_agree_with_plain_loops(
    inside: list[int], outside: list[int], delta: float, threshold: float | None, confidence: float
) -> None:
    guesses = count_guesses(np.array(inside), np.array(outside), threshold)
    counts = naive_counts(inside, outside, threshold)
    assert sorted(zip(guesses.right, guesses.wrong, strict=True)) == sorted(counts)
    n_in, n_out = len(inside), len(outside)
    expected = naive_clopper_pearson(counts, n_in, n_out, delta, 1 - confidence)
    assert clopper_pearson_epsilon(guesses, delta, confidence) == pytest.approx(expected, abs=1e-7)
    assert gdp_mu(guesses, confidence) == pytest.approx(naive_gdp_mu(counts, n_in, n_out, 1 - confidence), abs=1e-7)


@settings(max_examples=40)
@given(SCORES, SCORES, DELTA, st.sampled_from([None, 0.5, 2.0]), st.sampled_from([0.9, 0.5]))
def test_one_run_bound_agrees_with_plain_loops(
    inside: list[int], outside: list[int], delta: float, threshold: float | None, confidence: float
) -> None:
    guesses = count_guesses(np.array(inside), np.array(outside), threshold)
    counts = naive_counts(inside, outside, threshold)
    expected = naive_one_run(counts, len(inside) + len(outside), delta, 1 - confidence)
    assert one_run_epsilon(guesses, delta, confidence) == pytest.approx(expected, abs=1e-6)


@given(st.floats(0, 6), DELTA, st.integers(0, 30), st.integers(0, 15), st.integers(0, 30))
def test_one_run_p_value_agrees_with_exact_fractions(
    epsilon: float, delta: float, right: int, wrong: int, silent: int
) -> None:
    n, named = right + wrong + silent, right + wrong
    expected = naive_one_run_p_value(epsilon, delta, n, named, right)
    assert one_run_p_value(epsilon, delta, n, named, right) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("right", "wrong", "n"), [(20, 0, 40), (45, 3, 100), (33, 15, 100), (90, 20, 200), (7, 0, 20)])
@pytest.mark.parametrize("delta", [1e-5, 1e-3])
def test_fdp_bound_is_where_the_plain_loop_turns(right: int, wrong: int, n: int, delta: float) -> None:
    inside = np.r_[np.ones(right), np.zeros(n // 2 - right)]
    outside = np.r_[np.ones(wrong), np.zeros(n // 2 - wrong)]
    found = gdp_epsilon(fdp_one_run_mu(count_guesses(inside, outside, 0.5)), delta)
    expected = halve(lambda e: naive_fdp_contradicted(e, delta, n, right, wrong, 0.05), 1e-3, 30.0)
    assert found > 0
    assert found == pytest.approx(expected, rel=1e-4)


def test_fdp_bound_over_thresholds_is_the_best_of_them() -> None:
    rng = np.random.default_rng(5)
    inside, outside = rng.normal(2, 1, 60), rng.normal(0, 1, 60)
    together = count_guesses(inside, outside)
    candidates = np.append(np.quantile(np.r_[inside, outside], np.arange(1, 8) / 8, method="higher"), np.inf)
    alone = [fdp_one_run_mu(count_guesses(inside, outside, t), 1 - 0.05 / len(candidates)) for t in candidates]
    assert fdp_one_run_mu(together) == pytest.approx(max(alone), abs=1e-9)


@pytest.mark.parametrize(
    ("right", "expected"),
    [(10, 1.05), (20, 1.82), (30, 2.25), (50, 2.78), (100, 3.49), (200, 4.19), (500, 5.11), (1000, 5.81)],
)
def test_one_run_of_right_guesses_is_the_closed_form(right: int, expected: float) -> None:
    found = one_run_epsilon(count_guesses(np.ones(right), np.zeros(right), 0.5), 0.0)
    assert found == pytest.approx(expected, abs=0.01)
    rate = 0.05 ** (1 / right)
    assert found == pytest.approx(math.log(rate / (1 - rate)), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "expected"), [(10, 0.81), (50, 2.57), (100, 3.28), (200, 3.98), (500, 4.91), (1000, 5.60)]
)
def test_clopper_pearson_of_a_perfect_attack(n: int, expected: float) -> None:
    found = clopper_pearson_epsilon(count_guesses(np.ones(n), np.zeros(n), 0.5), 0.0)
    assert found == pytest.approx(expected, abs=0.01)
    assert found == pytest.approx(math.log(0.025 ** (1 / n) / (1 - 0.025 ** (1 / n))), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "one_run", "one_run_fixed", "fdp", "fdp_fixed", "clopper_pearson", "gdp"),
    [
        (50, 2.46, 2.78, 4.71, 5.84, 2.30, 14.3),
        (100, 3.17, 3.49, 5.92, 7.15, 3.02, 19.3),
        (200, 3.86, 4.18, 7.06, 8.37, 3.72, 24.1),
        (500, 4.75, 5.09, 8.49, 9.92, 4.64, 30.3),
    ],
)
def test_table_of_perfect_attacks(
    n: int, one_run: float, one_run_fixed: float, fdp: float, fdp_fixed: float, clopper_pearson: float, gdp: float
) -> None:
    chosen = epsilon_lower_bounds(np.ones(n), np.zeros(n), 1e-5)
    fixed = epsilon_lower_bounds(np.ones(n), np.zeros(n), 1e-5, threshold=0.5)
    assert (chosen.n_thresholds, fixed.n_thresholds) == (3, 1)
    assert chosen.one_run == pytest.approx(one_run, abs=0.02)
    assert fixed.one_run == pytest.approx(one_run_fixed, abs=0.02)
    assert chosen.fdp_one_run == pytest.approx(fdp, abs=0.02)
    assert fixed.fdp_one_run == pytest.approx(fdp_fixed, abs=0.02)
    assert chosen.clopper_pearson == pytest.approx(clopper_pearson, abs=0.02)
    assert chosen.gdp == pytest.approx(gdp, abs=0.05)  # published with one decimal


def test_gdp_bound_is_the_gaussian_mechanism_of_its_mu() -> None:
    rng = np.random.default_rng(2)
    inside, outside = rng.normal(2, 1, 200), rng.normal(0, 1, 200)
    mu = gdp_mu(count_guesses(inside, outside))
    found = epsilon_lower_bounds(inside, outside, 1e-5).gdp
    assert 1 < mu < 2
    assert found == pytest.approx(get_epsilon_gaussian(1 / mu, 1e-5), rel=1e-4)


@settings(max_examples=30)
@given(SCORES, SCORES, st.sampled_from([None, 1.0]))
def test_only_the_order_of_scores_counts(inside: list[int], outside: list[int], threshold: float | None) -> None:
    plain = epsilon_lower_bounds(np.array(inside), np.array(outside), 1e-5, threshold=threshold)
    cubed = epsilon_lower_bounds(np.array(inside) ** 3, np.array(outside)[::-1] ** 3, 1e-5, threshold=threshold)
    assert plain == cubed


@settings(max_examples=20)
@given(st.integers(20, 60), st.integers(1, 15), st.integers(0, 15))
def test_more_right_guesses_show_more(right: int, step: int, wrong: int) -> None:
    def bounds(count: int) -> list[float]:
        inside, outside = np.arange(80) < count, np.arange(80) < wrong
        found = epsilon_lower_bounds(inside, outside, 1e-5, threshold=0.5)
        return [found.clopper_pearson, found.one_run, found.fdp_one_run, found.gdp]

    assert all(less <= more + 1e-9 for less, more in zip(bounds(right), bounds(right + step), strict=True))


def test_an_attack_that_names_nobody_shows_nothing() -> None:
    found = epsilon_lower_bounds(np.ones(100), np.zeros(100), 1e-5, threshold=2.0)
    assert (found.clopper_pearson, found.one_run, found.fdp_one_run, found.gdp) == (0, 0, 0, 0)


def test_a_backward_attack_shows_nothing() -> None:
    found = epsilon_lower_bounds(np.zeros(100), np.ones(100), 1e-5)
    assert (found.clopper_pearson, found.one_run, found.fdp_one_run, found.gdp) == (0, 0, 0, 0)


def test_a_group_without_canaries_is_refused() -> None:
    with pytest.raises(InputError, match="3 canaries in and 0 out"):
        epsilon_lower_bounds(np.ones(3), np.zeros(0), 1e-5)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="2 of 4 are not finite"):
        epsilon_lower_bounds(np.array([1, np.nan]), np.array([np.inf, 0]), 1e-5)


@pytest.mark.parametrize(("delta", "confidence"), [(1.0, 0.95), (-1e-5, 0.95), (1e-5, 1.0), (1e-5, 0.0)])
def test_delta_and_confidence_outside_their_range_are_refused(delta: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="Expected 0 <= delta"):
        epsilon_lower_bounds(np.ones(3), np.zeros(3), delta, confidence)
