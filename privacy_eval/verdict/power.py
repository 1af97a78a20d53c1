"""What the audit could have seen: power by simulation, at the n each site really has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from scipy.stats import norm

from privacy_eval.attacks.replicas import REPLICA_QUANTILE
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.controls import LEAKED_SHARE
from privacy_eval.statistics.counts import CountPair, least, most, stratified_exact_p_value, suppress
from privacy_eval.statistics.ranks import mann_whitney_u


def leak_power_of_ranks(
    sites: Sequence[SiteStatistics], leaked_share: float, alpha: float, runs: int, rng: np.random.Generator
) -> float:
    """Share of simulated audits in which the stratified rank test at `alpha` sees a leak of some members.

    A leaked member scores above everyone; all others are exchangeable, so that the AUC is ½ + share/2. It is
    the design of the positive control for T1, T2 and T4 (T4: as far as the blend lifts a subject above the rest).
    """
    numerator, weights = np.zeros(runs), 0.0
    for site in sites:
        members, holdout = rng.random((runs, site.n_members)), rng.random((runs, site.n_holdout))
        members[:, : int(leaked_share * site.n_members)] += 1
        weight = 1 / (site.n_members + site.n_holdout + 1)
        numerator += weight * np.asarray(mann_whitney_u(members, holdout))
        weights += weight * site.n_members * site.n_holdout
    statistic = (numerator / weights - 0.5) * np.sqrt(12 * weights)
    return float(np.mean(statistic >= norm.ppf(1 - alpha)))


def leak_power_of_replicas(
    sites: Sequence[SiteStatistics], alpha: float, runs: int, rng: np.random.Generator
) -> float:
    """The same for T6 on the positive control: half of the members are replicas.

    Any other subject is below the threshold as often as the quantile that defines it says.
    """

    def draw(site: SiteStatistics) -> tuple[int, int]:
        copied = int(LEAKED_SHARE * site.n_members)
        chance = int(rng.binomial(site.n_members - copied, REPLICA_QUANTILE))
        return copied + chance, int(rng.binomial(site.n_holdout, REPLICA_QUANTILE))

    return _replica_power(sites, draw, alpha, runs)


def replica_rate_power(
    sites: Sequence[SiteStatistics], rate: float, alpha: float, runs: int, rng: np.random.Generator
) -> float:
    """Power of T6 when each member is replicated with probability `rate` and no holdout subject is."""
    return _replica_power(sites, lambda site: (int(rng.binomial(site.n_members, rate)), 0), alpha, runs)


def minimum_detectable_replica_rate(
    sites: Sequence[SiteStatistics], alpha: float, power: float, runs: int, rng: np.random.Generator
) -> float:
    """Smallest replica rate, in steps of one hundredth, that T6 sees with `power`; 1 if none does."""
    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        seen = replica_rate_power(sites, middle / 100, alpha, runs, rng) >= power
        low, high = (low, middle) if seen else (middle, high)
    return high / 100


def _replica_power(
    sites: Sequence[SiteStatistics], draw: Callable[[SiteStatistics], tuple[int, int]], alpha: float, runs: int
) -> float:
    @cache
    def rejects(pairs: tuple[CountPair, ...]) -> bool:
        return stratified_exact_p_value(pairs) <= alpha

    seen = [rejects(tuple(_as_read(site, *draw(site)) for site in sites)) for _ in range(runs)]
    return float(np.mean(seen))


def _as_read(site: SiteStatistics, members: int, holdout: int) -> CountPair:
    """Counts after suppression at the site and the least favourable reading at the server."""
    lowest = least(suppress(members, site.minimum_count))
    highest = most(suppress(holdout, site.minimum_count), site.minimum_count, site.n_holdout)
    return CountPair(lowest, site.n_members, highest, site.n_holdout)
