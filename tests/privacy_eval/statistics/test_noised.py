"""Noised AUCs of several sites together: errors, tails and bounds against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from privacy_eval.statistics.noised import NoisedAverage
from privacy_eval.statistics.private import NoisedAuc, noised_auc
from privacy_eval.statistics.ranks import (
    UStatistic,
    mann_whitney_u,
    null_standard_error,
    stratified_auc,
    stratified_standard_error,
)

SITES = [[(30, 30, 1 / 3)], [(25, 40, 1 / 3), (100, 120, 1 / 3)], [(20, 20, 0.1)] * 4, [(60, 50, 20.0)]]
DRAWS = 200_000


def average(sites: list[tuple[int, int, float]], auc: float = 0.5) -> NoisedAverage:
    return NoisedAverage(tuple(NoisedAuc(round(2 * auc * m * h), m, h, epsilon) for m, h, epsilon in sites))


def noise(site: NoisedAuc, draws: int, rng: np.random.Generator) -> np.ndarray:
    """As `noised_auc` draws it: the difference of two geometric variables."""
    heads = -np.expm1(-site.decay)
    return (rng.geometric(heads, draws) - rng.geometric(heads, draws)) / (2 * site.n_members * site.n_holdout)


def simulated(found: NoisedAverage, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Deviations where nothing leaks: real ranks, real noise."""
    deviations = np.zeros(draws)
    for weight, site in zip(found.weights, found.sites, strict=True):
        u = np.asarray(mann_whitney_u(rng.random((draws, site.n_members)), rng.random((draws, site.n_holdout))))
        deviations += weight * (u / (site.n_members * site.n_holdout) - 0.5 + noise(site, draws, rng))
    return deviations


@pytest.mark.parametrize("sites", SITES)
def test_the_standard_error_is_that_of_ranks_and_noise(sites: list[tuple[int, int, float]]) -> None:
    found = average(sites)
    deviations = simulated(found, np.random.default_rng(1), 20_000)
    assert found.standard_error(0.5) == pytest.approx(deviations.std(), rel=0.02)
    by_hand = sum(w**2 * (null_standard_error(s.n_members, s.n_holdout) ** 2 + s.noise_variance)
                  for w, s in zip(found.weights, found.sites, strict=True))
    assert found.standard_error(0.5) ** 2 == pytest.approx(by_hand)


@pytest.mark.parametrize("sites", SITES)
@pytest.mark.parametrize("level", [0.05, 0.05 / 3, 0.002])
def test_a_deviation_is_exceeded_as_often_as_its_level_says(sites: list[tuple[int, int, float]], level: float) -> None:
    """Ranks as a normal variable, which is the approximation that every rank test here makes; the noise as it is."""
    found, rng = average(sites), np.random.default_rng(2)
    deviations = found.sampling_error(0.5) * rng.standard_normal(DRAWS) + sum(
        weight * noise(site, DRAWS, rng) for weight, site in zip(found.weights, found.sites, strict=True))
    exceeded = int(np.sum(deviations > found.reach(level, 0.5)))
    assert binom.ppf(1e-4, DRAWS, level) <= exceeded <= binom.ppf(1 - 1e-4, DRAWS, level)


def test_a_normal_approximation_would_be_liberal() -> None:
    found = average([(30, 30, 0.1)])
    normal = float(norm.isf(0.05 / 3)) * found.standard_error(0.5)
    assert found.tail(normal, 0.5) > 1.4 * 0.05 / 3


def test_innocent_ranks_with_real_noise_are_rejected_at_most_as_often_as_promised() -> None:
    rng, draws = np.random.default_rng(3), 1000
    sites = [(30, 25), (60, 70)]
    p_values = np.array([NoisedAverage(tuple(
        noised_auc(UStatistic(float(mann_whitney_u(rng.random(m), rng.random(h))), m, h), 1 / 3)
        for m, h in sites)).p_value() for _ in range(draws)])
    for level in (0.05, 0.05 / 3):
        assert np.sum(p_values <= level) <= binom.ppf(0.999, draws, level)


def test_bounds_hold_as_often_as_they_say_under_a_leak() -> None:
    """Normal scores shifted to an AUC of .65 at two sites; each bound misses at most 1 in 20."""
    rng, draws, auc = np.random.default_rng(4), 400, 0.65
    shift, missed = float(norm.ppf(auc)) * np.sqrt(2), np.zeros(2)
    for _ in range(draws):
        found = NoisedAverage(tuple(
            noised_auc(UStatistic(float(mann_whitney_u(rng.normal(shift, 1, n), rng.normal(0, 1, n))), n, n), 0.5)
            for n in (40, 80)))
        bounds = found.estimate(0.95)
        missed += auc < bounds.low, auc > bounds.high
    assert (missed <= binom.ppf(0.999, draws, 0.05)).all()


def test_without_noise_it_is_the_stratified_auc() -> None:
    sites = [UStatistic(700.0, 30, 40), UStatistic(2600.5, 60, 70)]
    found = NoisedAverage(tuple(NoisedAuc(round(2 * s.u), s.n_members, s.n_holdout, 1e4) for s in sites))
    plain = stratified_auc(sites, 0.95)
    assert found.value == pytest.approx(plain.value, abs=1e-5)
    assert found.standard_error(0.5) == pytest.approx(stratified_standard_error(0.5, sites), rel=1e-4)
    estimate = found.estimate(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((plain.low, plain.high), abs=2e-4)
    assert found.weights == pytest.approx([s.weight / sum(one.weight for one in sites) for s in sites], rel=1e-3)


@pytest.mark.parametrize("doubled", [-900, -1, 0, 1800, 1801, 5000])
def test_noise_beyond_the_scale_leaves_an_estimate_on_it(doubled: int) -> None:
    estimate = NoisedAverage((NoisedAuc(doubled, 30, 30, 1 / 3),)).estimate(0.95)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_power_rises_with_the_leak_and_the_budget() -> None:
    found, dearer = average([(60, 60, 1 / 3)]), average([(60, 60, 1.0)])
    assert found.power(0.5, 0.05) == pytest.approx(0.05, abs=1e-6)
    assert 0.05 < found.power(0.55, 0.05) < found.power(0.6, 0.05) < dearer.power(0.6, 0.05)
    smallest = found.minimum_detectable(0.05, 0.8)
    assert found.power(smallest, 0.05) == pytest.approx(0.8, abs=0.02)


def test_a_small_site_does_not_drown_the_others() -> None:
    """Inverse variances: no worse than the large site alone, nor than van Elteren's weights."""
    both, alone = average([(20, 20, 1 / 3), (100, 100, 1 / 3)]), average([(100, 100, 1 / 3)])
    elteren = np.array([UStatistic(0, n, n).weight for n in (20, 100)])
    errors = [np.hypot(null_standard_error(n, n), site.noise_variance**0.5)
              for n, site in zip((20, 100), both.sites, strict=True)]
    assert both.standard_error(0.5) < alone.standard_error(0.5)
    assert both.standard_error(0.5) < float(np.linalg.norm(elteren / elteren.sum() * errors))
