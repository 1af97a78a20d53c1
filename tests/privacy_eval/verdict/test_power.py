"""Power by simulation against closed forms and exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from audit_case import answer
from scipy.stats import binom

from privacy_eval.statistics.counts import CountPair, stratified_exact_p_value
from privacy_eval.verdict import power

ALPHA = 0.0125
RUNS = 2000


def test_no_leak_is_rejected_as_often_as_alpha() -> None:
    found = power.leak_power_of_ranks([answer(n=30), answer(n=40)], 0.0, 0.05, RUNS, np.random.default_rng(0))
    low, high = binom.ppf([0.001, 0.999], RUNS, 0.05) / RUNS
    assert low <= found <= high


def test_the_demo_s_sites_have_the_required_power_on_the_positive_control() -> None:
    sites = [answer(n=n) for n in (70, 45, 35, 30)]
    assert power.leak_power_of_ranks(sites, 0.5, ALPHA, RUNS, np.random.default_rng(1)) >= 0.99
    assert power.leak_power_of_replicas(sites, ALPHA, RUNS, np.random.default_rng(1)) >= 0.99


def test_a_lone_small_site_has_not() -> None:
    assert power.leak_power_of_ranks([answer(n=20)], 0.5, ALPHA, RUNS, np.random.default_rng(2)) < 0.99


def test_power_of_the_replica_count_is_the_exact_sum() -> None:
    """One site: power is the chance of at least as many replicas as the exact test needs, none being suppressed."""
    n, rate = 60, 0.15
    needed = next(k for k in range(n) if k >= 5 and stratified_exact_p_value([CountPair(k, n, 0, n)]) <= ALPHA)
    expected = binom.sf(needed - 1, n, rate)
    found = power.replica_rate_power([answer(n=n)], rate, ALPHA, RUNS, np.random.default_rng(3))
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / RUNS))


def test_minimum_detectable_replica_rate_falls_with_n() -> None:
    rng = np.random.default_rng(4)
    rates = [
        power.minimum_detectable_replica_rate([answer(n=n)] * 4, ALPHA, 0.8, 1000, rng) for n in (30, 60, 200)
    ]
    assert rates[0] > rates[1] > rates[2]
    assert power.replica_rate_power([answer(n=30)] * 4, rates[0], ALPHA, 1000, rng) >= 0.75
