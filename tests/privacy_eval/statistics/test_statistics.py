"""Ranks and areas against closed forms, published tables, naive versions and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from privacy_eval.statistics.multiplicity import holm
from privacy_eval.statistics.ranks import (
    Estimate,
    UStatistic,
    auc_power,
    hanley_mcneil_standard_error,
    mann_whitney_u,
    minimum_detectable_auc,
    null_standard_error,
    stratified_auc,
    stratified_auc_p_value,
    stratified_standard_error,
    u_statistic,
    upper_bound_at_null,
)

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


def naive_u(members: list[int], holdout: list[int]) -> float:
    return sum((m > h) + 0.5 * (m == h) for m in members for h in holdout)


@given(SCORES, SCORES)
def test_u_counts_pairs_and_half_the_ties(members: list[int], holdout: list[int]) -> None:
    assert mann_whitney_u(np.array(members), np.array(holdout)) == naive_u(members, holdout)


def test_u_works_along_the_last_axis() -> None:
    rng = np.random.default_rng(0)
    members, holdout = rng.random((3, 5)), rng.random((3, 4))
    together = mann_whitney_u(members, holdout)
    np.testing.assert_array_equal(together, [mann_whitney_u(m, h) for m, h in zip(members, holdout, strict=True)])


@pytest.mark.parametrize(
    ("n", "error", "upper", "detectable"),
    [
        (10, 0.132, 0.718, 0.829), (20, 0.092, 0.652, 0.730), (30, 0.075, 0.624, 0.687), (50, 0.058, 0.595, 0.644),
        (100, 0.041, 0.567, 0.602), (200, 0.029, 0.548, 0.572), (500, 0.018, 0.530, 0.545),
        (1000, 0.013, 0.521, 0.532), (5000, 0.006, 0.509, 0.514),
    ],
)  # fmt: skip
def test_table_of_what_n_can_show(n: int, error: float, upper: float, detectable: float) -> None:
    found = null_standard_error(n, n)
    assert found == pytest.approx(error, abs=5.1e-4)
    assert upper_bound_at_null(found) == pytest.approx(upper, abs=6e-4)
    assert minimum_detectable_auc(found) == pytest.approx(detectable, abs=6e-4)
    assert stratified_auc([UStatistic(n * n / 2, n, n)]).high == pytest.approx(upper, abs=6e-4)


@given(st.integers(1, 300), st.integers(1, 300))
def test_hanley_mcneil_is_the_null_error_at_one_half(n_members: int, n_holdout: int) -> None:
    expected = null_standard_error(n_members, n_holdout)
    assert hanley_mcneil_standard_error(0.5, n_members, n_holdout) == pytest.approx(expected)


@given(st.floats(0, 1), st.integers(1, 100), st.integers(1, 100))
def test_hanley_mcneil_is_symmetric_when_the_roles_are_swapped(auc: float, n_members: int, n_holdout: int) -> None:
    swapped = hanley_mcneil_standard_error(1 - auc, n_holdout, n_members)
    assert hanley_mcneil_standard_error(auc, n_members, n_holdout) == pytest.approx(swapped, abs=1e-7)


@pytest.mark.parametrize(
    ("mu", "auc"),
    [(0.25, 0.5702), (0.5, 0.6382), (1, 0.7602), (1.5, 0.8556), (2, 0.9214), (3, 0.9831), (4, 0.9977)],
)
def test_auc_of_gaussian_scores_is_the_closed_form(mu: float, auc: float) -> None:
    assert norm.cdf(mu / np.sqrt(2)) == pytest.approx(auc, abs=5e-5)
    rng = np.random.default_rng(1)
    n = 40_000
    estimate = u_statistic(rng.normal(mu, size=n), rng.normal(size=n)).auc
    assert estimate == pytest.approx(auc, abs=4 * hanley_mcneil_standard_error(auc, n, n))


def test_two_shifted_sites_mislead_the_pooled_auc_but_not_the_stratified() -> None:
    rng = np.random.default_rng(2)
    pooled, stratified = [], []
    for _ in range(400):
        first, second = rng.normal(size=50), rng.normal(1, size=50)
        sites = [u_statistic(first[:40], first[40:]), u_statistic(second[:10], second[10:])]
        stratified.append(stratified_auc(sites).value)
        pooled.append(u_statistic(np.r_[first[:40], second[:10]], np.r_[first[40:], second[10:]]).auc)
    assert np.mean(pooled) == pytest.approx(0.343, abs=0.01)
    assert np.mean(stratified) == pytest.approx(0.5, abs=0.011)
    assert np.std(stratified) == pytest.approx(0.0729, rel=0.1)
    assert stratified_standard_error(0.5, sites) == pytest.approx(0.0729, abs=5e-5)


def test_four_sites_are_about_as_good_as_one_large() -> None:
    four = stratified_standard_error(0.5, [UStatistic(1250, 50, 50)] * 4)
    assert four == pytest.approx(0.029, abs=5e-4)
    assert four == pytest.approx(null_standard_error(200, 200), rel=0.01)


def test_stratified_test_keeps_its_level_with_unequal_sites() -> None:
    rng = np.random.default_rng(3)
    runs = 1000
    weights = [(31, 30), (60, 42), (20, 35)]
    us = [mann_whitney_u(rng.random((runs, m)), rng.random((runs, h))) for m, h in weights]
    p_values = [
        stratified_auc_p_value([UStatistic(u[run], m, h) for u, (m, h) in zip(us, weights, strict=True)])
        for run in range(runs)
    ]
    low, high = binom.ppf([0.005, 0.995], runs, 0.05) / runs
    assert low <= np.mean(np.array(p_values) <= 0.05) <= high
    assert np.mean(p_values) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / runs))


def test_one_score_a_subject_keeps_the_level_where_four_images_do_not() -> None:
    rng = np.random.default_rng(4)
    subject = rng.normal(size=(400, 100, 1)) * np.sqrt(0.9)
    images = subject + rng.normal(size=(400, 100, 4)) * np.sqrt(0.1)
    by_image = mann_whitney_u(images[:, :50].reshape(400, -1), images[:, 50:].reshape(400, -1)) / 200**2
    by_subject = mann_whitney_u(images[:, :50].max(axis=2), images[:, 50:].max(axis=2)) / 50**2
    assert np.mean(by_image - 0.5 > 1.645 * null_standard_error(200, 200)) > 0.12
    assert np.mean(by_subject - 0.5 > 1.645 * null_standard_error(50, 50)) < 0.085


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.5, 3.0])
def test_bounds_cover_the_truth(mu: float) -> None:
    rng = np.random.default_rng(5)
    runs, truth = 600, norm.cdf(mu / np.sqrt(2))
    first = mann_whitney_u(rng.normal(mu, size=(runs, 40)), rng.normal(size=(runs, 40)))
    second = mann_whitney_u(rng.normal(mu, size=(runs, 30)), rng.normal(size=(runs, 25)))
    pairs = zip(first, second, strict=True)
    bounds = [stratified_auc([UStatistic(a, 40, 40), UStatistic(b, 30, 25)]) for a, b in pairs]
    slack = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean([bound.low <= truth for bound in bounds]) >= 0.95 - slack
    assert np.mean([bound.high >= truth for bound in bounds]) >= 0.95 - slack


@given(st.integers(0, 900))
def test_lower_bound_passes_one_half_exactly_when_the_rank_test_rejects(u: int) -> None:
    site = [UStatistic(u, 30, 30)]
    p_value = stratified_auc_p_value(site)
    if abs(p_value - 0.05) > 1e-6:
        assert (stratified_auc(site).low > 0.5) == (p_value < 0.05)


@given(st.integers(0, 600), st.integers(0, 1200))
def test_interval_holds_the_estimate_and_never_collapses(first: int, second: int) -> None:
    estimate = stratified_auc([UStatistic(first, 20, 30), UStatistic(second, 40, 30)])
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.01
    assert (estimate.n_members, estimate.n_holdout) == (60, 60)


def test_inflation_widens_the_bounds() -> None:
    site = [UStatistic(1300, 50, 50)]
    plain, wide = stratified_auc(site), stratified_auc(site, inflation=2.0)
    assert wide.low < plain.low < plain.high < wide.high
    assert wide.high - wide.value == pytest.approx(2 * (plain.high - plain.value), rel=1e-6)


def test_power_is_what_simulation_says() -> None:
    rng = np.random.default_rng(6)
    runs, mu = 4000, np.sqrt(2) * norm.ppf(0.6)
    u = mann_whitney_u(rng.normal(mu, size=(runs, 80)), rng.normal(size=(runs, 80)))
    seen = np.mean(u / 6400 - 0.5 >= 1.645 * null_standard_error(80, 80))
    assert auc_power(0.6, [UStatistic(3200, 80, 80)]) == pytest.approx(seen, abs=0.03)


def naive_holm(p_values: list[float], alpha: float) -> list[bool]:
    rejected = [False] * len(p_values)
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] > alpha / (len(p_values) - step):
            break
        rejected[index] = True
    return rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=200)
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    alpha = 0.0437
    assert [adjusted <= alpha for adjusted in holm(p_values)] == naive_holm(p_values, alpha)


def test_holm_of_a_hand_computed_family() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    "values",
    [(0.5, 0.6, 0.7, 0.95, 5, 5), (0.5, 0.4, 0.45, 0.95, 5, 5), (0.5, 0.4, 0.6, 1.0, 5, 5), (0.5, 0.4, 0.6, 0.9, 0, 5)],
)
def test_an_estimate_needs_its_interval_and_n(values: tuple[float, float, float, float, int, int]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Estimate(*values)


@pytest.mark.parametrize(("u", "n_members", "n_holdout"), [(-1, 3, 3), (10, 3, 3), (0, 0, 3), (float("nan"), 3, 3)])
def test_an_impossible_u_is_refused(u: float, n_members: int, n_holdout: int) -> None:
    with pytest.raises(ValueError, match="Expected"):
        UStatistic(u, n_members, n_holdout)
