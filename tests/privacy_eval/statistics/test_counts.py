"""Rates, differences, the exact stratified test and suppression."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, fisher_exact

from privacy_eval.statistics.counts import (
    SUPPRESSED,
    CountPair,
    clopper_pearson,
    least,
    most,
    newcombe,
    stratified_difference,
    stratified_exact_p_value,
    suppress,
    wilson,
)


@st.composite
def pairs(draw: st.DrawFn, largest: int = 8) -> CountPair:
    n_members, n_holdout = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return CountPair(draw(st.integers(0, n_members)), n_members, draw(st.integers(0, n_holdout)), n_holdout)


@pytest.mark.parametrize(
    ("n", "upper"),
    [(10, 0.259), (20, 0.139), (30, 0.095), (50, 0.058), (100, 0.030), (200, 0.015), (500, 0.006), (1000, 0.003)],
)
def test_upper_bound_of_a_rate_never_seen(n: int, upper: float) -> None:
    found = clopper_pearson(0, n)
    assert found[0] == 0
    assert found[1] == pytest.approx(1 - 0.05 ** (1 / n))
    assert found[1] == pytest.approx(upper, abs=6e-4)


@pytest.mark.parametrize(("rate", "n"), [(0.10, 29), (0.05, 59), (0.01, 299), (0.001, 2995)])
def test_holdout_needed_to_state_a_false_positive_rate(rate: float, n: int) -> None:
    assert clopper_pearson(0, n)[1] <= rate < clopper_pearson(0, n - 1)[1]


@given(st.integers(1, 40), st.floats(0.02, 0.98))
def test_clopper_pearson_covers_every_rate(n: int, rate: float) -> None:
    counts = np.arange(n + 1)
    bounds = np.array([clopper_pearson(int(count), n) for count in counts])
    chance = binom.pmf(counts, n, rate)
    assert chance[bounds[:, 0] <= rate].sum() >= 0.95 - 1e-9
    assert chance[bounds[:, 1] >= rate].sum() >= 0.95 - 1e-9


@pytest.mark.parametrize(
    ("count", "n", "interval"), [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611))]
)
def test_wilson_of_newcombes_table(count: int, n: int, interval: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:857, table I, method 3, two-sided 95 %."""
    assert wilson(count, n, 0.975) == pytest.approx(interval, abs=1e-4)


@pytest.mark.parametrize(
    ("pair", "interval"),
    [
        (CountPair(56, 70, 48, 80), (0.0524, 0.3339)),
        (CountPair(9, 10, 3, 10), (0.1705, 0.8090)),
        (CountPair(5, 56, 0, 29), (-0.0381, 0.1926)),
        (CountPair(0, 10, 0, 20), (-0.1611, 0.2775)),
    ],
)
def test_newcombe_of_his_table(pair: CountPair, interval: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:873, table II, method 10, two-sided 95 %."""
    assert newcombe(pair, 0.975) == pytest.approx(interval, abs=1e-4)


@given(pairs())
def test_one_site_is_newcombes_interval(pair: CountPair) -> None:
    estimate = stratified_difference([pair])
    assert estimate.value == pytest.approx(pair.difference)
    assert (estimate.low, estimate.high) == pytest.approx(newcombe(pair))


@pytest.mark.parametrize(("member_rate", "holdout_rate"), [(0.02, 0.02), (0.10, 0.01), (0.30, 0.05), (0.5, 0.5)])
def test_bounds_of_the_stratified_difference_cover_the_truth(member_rate: float, holdout_rate: float) -> None:
    rng = np.random.default_rng(0)
    runs, sites = 800, [(31, 30), (60, 55), (40, 44)]
    bounds = [
        stratified_difference(
            [CountPair(rng.binomial(m, member_rate), m, rng.binomial(h, holdout_rate), h) for m, h in sites]
        )
        for _ in range(runs)
    ]
    truth, slack = member_rate - holdout_rate, 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean([bound.low <= truth for bound in bounds]) >= 0.95 - slack
    assert np.mean([bound.high >= truth for bound in bounds]) >= 0.95 - slack


def test_nothing_copied_in_the_holdout_and_five_members_suffice() -> None:
    for n in (20, 30, 50, 100, 1000):
        assert stratified_exact_p_value([CountPair(5, n, 0, n)]) <= 0.05
    assert stratified_exact_p_value([CountPair(4, 20, 0, 20)]) > 0.05
    assert stratified_exact_p_value([CountPair(5, 100_000, 0, 100_000)]) == pytest.approx(0.5**5, rel=1e-3)
    assert stratified_exact_p_value([CountPair(9, 449, 0, 449)]) == pytest.approx(0.002, abs=2e-4)


@given(pairs(20))
def test_one_site_is_fishers_test(pair: CountPair) -> None:
    table = [[pair.members, pair.n_members - pair.members], [pair.holdout, pair.n_holdout - pair.holdout]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert stratified_exact_p_value([pair]) == pytest.approx(expected, abs=1e-9)


def naive_p_value(sites: list[CountPair]) -> float:
    """Every way of giving the labels out, site by site."""
    ways = []
    for site in sites:
        total, n = site.members + site.holdout, site.n_members + site.n_holdout
        ways.append([comb(site.n_members, k) * comb(n - site.n_members, total - k) for k in range(total + 1)])
    observed = sum(site.members for site in sites)
    counted = [(sum(ks), np.prod([way[k] for way, k in zip(ways, ks, strict=True)]))
               for ks in product(*[range(len(way)) for way in ways])]  # fmt: skip
    return sum(w for k, w in counted if k >= observed) / sum(w for _, w in counted)


@given(st.lists(pairs(6), min_size=1, max_size=3))
@settings(max_examples=60)
def test_exact_test_is_the_count_of_all_label_assignments(sites: list[CountPair]) -> None:
    assert stratified_exact_p_value(sites) == pytest.approx(naive_p_value(sites), abs=1e-9)


def test_exact_test_does_not_exceed_its_level() -> None:
    rng = np.random.default_rng(1)
    runs, sites = 1500, [(30, 30), (40, 25), (55, 60)]
    p_values = [
        stratified_exact_p_value([CountPair(rng.binomial(m, 0.1), m, rng.binomial(h, 0.1), h) for m, h in sites])
        for _ in range(runs)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= binom.ppf(0.995, runs, 0.05) / runs


@given(st.integers(0, 30), st.integers(1, 10))
def test_suppression_hides_which_small_count_it_was(count: int, minimum: int) -> None:
    coded = suppress(count, minimum)
    assert coded == 0 or coded == SUPPRESSED or coded >= minimum
    assert least(coded) <= count <= most(coded, minimum, 30)


def test_counts_one_to_four_share_one_code() -> None:
    assert [suppress(count, 5) for count in range(7)] == [0, SUPPRESSED, SUPPRESSED, SUPPRESSED, SUPPRESSED, 5, 6]
    assert (least(SUPPRESSED), most(SUPPRESSED, 5, 30), most(SUPPRESSED, 5, 3)) == (1, 4, 3)


@given(pairs(12), st.integers(0, 12), st.integers(0, 12))
def test_fewer_members_or_more_holdout_never_strengthen_a_claim(pair: CountPair, fewer: int, more: int) -> None:
    weaker = CountPair(
        max(0, pair.members - fewer), pair.n_members, min(pair.n_holdout, pair.holdout + more), pair.n_holdout
    )
    assert stratified_exact_p_value([weaker]) >= stratified_exact_p_value([pair]) - 1e-12


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="within their n"):
        CountPair(6, 5, 0, 5)
    with pytest.raises(ValueError, match="count=-1"):
        suppress(-1, 5)
