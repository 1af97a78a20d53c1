"""Counts and rates: exact intervals, differences, the exact stratified test, and counts too small to be told.

A count that leaves a site is coded: 0 stays 0, 1 to minimum − 1 all become `SUPPRESSED`, minimum and more stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import betaincinv
from scipy.stats import hypergeom, norm

from privacy_eval.statistics.ranks import Estimate

SUPPRESSED: Final = -1
"""Code of every count from 1 to minimum_count − 1: that there were some, not how many."""


def suppress(count: int, minimum_count: int) -> int:
    """The code of a count: 0 → 0, 1 … minimum_count − 1 → `SUPPRESSED`, else the count itself."""
    if count < 0:
        raise ValueError(f"Expected count={count} >= 0.")
    return SUPPRESSED if 0 < count < minimum_count else count


def least(coded: int) -> int:
    """The smallest count a code can stand for."""
    return 1 if coded == SUPPRESSED else coded


def most(coded: int, minimum_count: int, n: int) -> int:
    """The largest count a code can stand for among `n` subjects."""
    return min(minimum_count - 1, n) if coded == SUPPRESSED else coded


@dataclass(frozen=True)
class CountPair:
    """One site's plain counts: `members` of `n_members` against `holdout` of `n_holdout`."""

    members: int
    n_members: int
    holdout: int
    n_holdout: int

    def __post_init__(self) -> None:
        if not (0 <= self.members <= self.n_members and 0 <= self.holdout <= self.n_holdout):
            raise ValueError(f"Expected counts within their n, found {self}.")

    @property
    def difference(self) -> float:
        """Rate of members minus rate of holdout."""
        return self.members / self.n_members - self.holdout / self.n_holdout

    @property
    def weight(self) -> float:
        """Mantel and Haenszel's weight n_m n_h / (n_m + n_h)."""
        return self.n_members * self.n_holdout / (self.n_members + self.n_holdout)


def clopper_pearson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact bounds of a rate, each one-sided at `confidence` (Clopper & Pearson 1934)."""
    alpha = 1 - confidence
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, alpha))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - alpha))
    return low, high


@lru_cache(maxsize=16384)  # as below, the quantile being slow
def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score bounds of a rate, each one-sided at `confidence` (Wilson 1927)."""
    z = float(norm.ppf(confidence))
    rate = count / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low = 0.0 if count == 0 else float(centre - reach)
    high = 1.0 if count == n else float(centre + reach)
    return low, high


def newcombe(pair: CountPair, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a difference of two rates, each one-sided (Newcombe 1998, method 10: Wilson limits combined)."""
    member_rate, holdout_rate = pair.members / pair.n_members, pair.holdout / pair.n_holdout
    member_low, member_high = wilson(pair.members, pair.n_members, confidence)
    holdout_low, holdout_high = wilson(pair.holdout, pair.n_holdout, confidence)
    below = np.hypot(member_rate - member_low, holdout_high - holdout_rate)
    above = np.hypot(member_high - member_rate, holdout_rate - holdout_low)
    return float(max(-1.0, pair.difference - below)), float(min(1.0, pair.difference + above))


def stratified_difference(pairs: Sequence[CountPair], confidence: float = 0.95) -> Estimate:
    """Rate difference over sites with Mantel-Haenszel weights.

    Each site's Newcombe limits are carried to the weighted sum by squared distances (MOVER: Zou & Donner,
    Stat Med 27:1693, 2008); for one site it is Newcombe's interval.
    """
    weights = np.array([pair.weight for pair in pairs])
    weights = weights / weights.sum()
    differences = np.array([pair.difference for pair in pairs])
    limits = np.array([newcombe(pair, confidence) for pair in pairs])
    value = float(weights @ differences)
    below = float(np.linalg.norm(weights * (differences - limits[:, 0])))
    above = float(np.linalg.norm(weights * (limits[:, 1] - differences)))
    return Estimate(
        value=value,
        low=max(-1.0, value - below),
        high=min(1.0, value + above),
        confidence=confidence,
        n_members=sum(pair.n_members for pair in pairs),
        n_holdout=sum(pair.n_holdout for pair in pairs),
    )


def stratified_exact_p_value(pairs: Sequence[CountPair]) -> float:
    """P[members' total count ≥ observed], given each site's total: one-sided, exact, Fisher's for one site.

    Under equal rates a site's member count is hypergeometric given the site's total; the sum over sites is
    their convolution.
    """
    distribution = np.ones(1)
    for pair in pairs:
        site = _member_share_of(pair.members + pair.holdout, pair.n_members, pair.n_holdout)
        distribution = np.convolve(distribution, site)
    observed = sum(pair.members for pair in pairs)
    return float(min(1.0, distribution[observed:].sum()))


@lru_cache(maxsize=4096)  # simulated audits meet the same few totals thousands of times
def _member_share_of(total: int, n_members: int, n_holdout: int) -> np.ndarray:
    """P[k of `total` hits are members'], k = 0 … total, if hits fall on all subjects alike."""
    return np.asarray(hypergeom.pmf(np.arange(total + 1), n_members + n_holdout, n_members, total))
