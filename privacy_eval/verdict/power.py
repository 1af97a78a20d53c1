"""What the audit could have seen: power by simulation, at the n each site really has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from privacy_eval.attacks.replicas import REPLICA_QUANTILE
from privacy_eval.site.controls import LEAKED_SHARE
from privacy_eval.statistics.counts import CountPair, least, most, stratified_exact_p_value, suppress
from privacy_eval.statistics.ranks import mann_whitney_u


class Stratum(NamedTuple):
    """One site's patients in a test, and its suppression limit."""

    members: int
    holdout: int
    minimum_count: int = 1


def leak_power_of_ranks(strata: Sequence[Stratum], leaked_share: float, alpha: float, runs: int,
                        rng: np.random.Generator) -> float:
    """Share of simulated audits in which the stratified rank test at `alpha` sees a leak of some members.

    A leaked member scores above everyone; all others are exchangeable, so that the AUC is ½ + share/2. It is
    the design of the positive control for T1, T2 and T4 (T4: as far as the blend lifts a subject above the rest).
    """
    numerator, weights = np.zeros(runs), 0.0
    for stratum in strata:
        members, holdout = rng.random((runs, stratum.members)), rng.random((runs, stratum.holdout))
        members[:, : int(leaked_share * stratum.members)] += 1
        weight = 1 / (stratum.members + stratum.holdout + 1)
        numerator += weight * np.asarray(mann_whitney_u(members, holdout))
        weights += weight * stratum.members * stratum.holdout
    statistic = (numerator / weights - 0.5) * np.sqrt(12 * weights)
    return float(np.mean(statistic >= norm.ppf(1 - alpha)))


def leak_power_of_replicas(strata: Sequence[Stratum], alpha: float, runs: int, rng: np.random.Generator) -> float:
    """The same for T6 on the positive control: half of the members are replicas.

    Any other patient is below the threshold as often as the quantile that defines it says.
    """

    def draw(stratum: Stratum) -> tuple[int, int]:
        copied = int(LEAKED_SHARE * stratum.members)
        chance = int(rng.binomial(stratum.members - copied, REPLICA_QUANTILE))
        return copied + chance, int(rng.binomial(stratum.holdout, REPLICA_QUANTILE))

    return _count_power(strata, draw, alpha, runs)


def rate_power(strata: Sequence[Stratum], member_rate: float, holdout_rate: float, alpha: float, runs: int,
               rng: np.random.Generator) -> float:
    """Power of a count test when members and holdout are hit at these rates."""

    def draw(stratum: Stratum) -> tuple[int, int]:
        return int(rng.binomial(stratum.members, member_rate)), int(rng.binomial(stratum.holdout, holdout_rate))

    return _count_power(strata, draw, alpha, runs)


def minimum_detectable_difference(strata: Sequence[Stratum], holdout_rate: float, alpha: float, power: float, runs: int,
                                  rng: np.random.Generator) -> float:
    """Smallest difference of rates, in steps of one hundredth, seen with `power`; the largest possible if none is."""
    low, high = 0, round(100 * (1 - holdout_rate))
    while high - low > 1:
        middle = (low + high) // 2
        seen = rate_power(strata, holdout_rate + middle / 100, holdout_rate, alpha, runs, rng) >= power
        low, high = (low, middle) if seen else (middle, high)
    return high / 100


def _count_power(strata: Sequence[Stratum], draw: Callable[[Stratum], tuple[int, int]], alpha: float,
                 runs: int) -> float:
    @cache
    def rejects(pairs: tuple[CountPair, ...]) -> bool:
        return stratified_exact_p_value(pairs) <= alpha

    seen = [rejects(tuple(_as_read(stratum, *draw(stratum)) for stratum in strata)) for _ in range(runs)]
    return float(np.mean(seen))


def _as_read(stratum: Stratum, members: int, holdout: int) -> CountPair:
    """Counts after suppression at the site and the least favourable reading at the server."""
    limit = stratum.minimum_count
    highest = most(suppress(holdout, limit), limit, stratum.holdout)
    return CountPair(least(suppress(members, limit)), stratum.members, highest, stratum.holdout)
