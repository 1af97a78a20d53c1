"""Power by simulation against closed forms and exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from privacy_eval.statistics.counts import CountPair, stratified_exact_p_value
from privacy_eval.verdict import power
from privacy_eval.verdict.power import Stratum

ALPHA = 0.0125
RUNS = 2000


def strata(*sizes: int) -> list[Stratum]:
    return [Stratum(n, n, 5) for n in sizes]


def test_no_leak_is_rejected_as_often_as_alpha() -> None:
    found = power.leak_power_of_ranks(strata(30, 40), 0.0, 0.05, RUNS, np.random.default_rng(0))
    low, high = binom.ppf([0.001, 0.999], RUNS, 0.05) / RUNS
    assert low <= found <= high


def test_four_sites_have_the_required_power_on_the_positive_control() -> None:
    sites = strata(70, 45, 35, 30)
    assert power.leak_power_of_ranks(sites, 0.5, 0.05 / 30, RUNS, np.random.default_rng(1)) >= 0.99
    assert power.leak_power_of_replicas(sites, 0.05 / 30, RUNS, np.random.default_rng(1)) >= 0.99


def test_a_lone_small_site_has_not() -> None:
    assert power.leak_power_of_ranks(strata(20), 0.5, ALPHA, RUNS, np.random.default_rng(2)) < 0.99


def test_power_of_the_replica_count_is_the_exact_sum() -> None:
    """One site: power is the chance of at least as many replicas as the exact test needs, none being suppressed."""
    n, rate = 60, 0.15
    needed = next(k for k in range(n) if k >= 5 and stratified_exact_p_value([CountPair(k, n, 0, n)]) <= ALPHA)
    expected = binom.sf(needed - 1, n, rate)
    found = power.rate_power(strata(n), rate, 0.0, ALPHA, RUNS, np.random.default_rng(3))
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / RUNS))


def test_a_count_test_keeps_its_level_when_members_are_hit_as_holdout_is() -> None:
    assert power.rate_power(strata(60, 60), 0.3, 0.3, 0.05, 1000, np.random.default_rng(5)) <= 0.06


def test_minimum_detectable_difference_falls_with_n() -> None:
    rng = np.random.default_rng(4)
    rates = [power.minimum_detectable_difference(strata(n, n, n, n), 0.0, ALPHA, 0.8, 1000, rng)
             for n in (30, 60, 200)]
    assert rates[0] > rates[1] > rates[2]
    assert power.rate_power(strata(30, 30, 30, 30), rates[0], 0.0, ALPHA, 1000, rng) >= 0.75
