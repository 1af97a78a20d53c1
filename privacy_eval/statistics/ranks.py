"""Ranks and areas: Mann-Whitney statistics of one site, combined over sites, never without interval and n.

Scores are oriented so that higher means more like a member. One score a subject: the subject is the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class Estimate:
    """A number that cannot exist without its interval and its n.

    Attributes:
        value: the point estimate.
        low: one-sided lower bound at `confidence`.
        high: one-sided upper bound at `confidence`.
        confidence: coverage of each bound taken alone, in (0, 1).
        n_members: members it rests on.
        n_holdout: holdout subjects it rests on.
    """

    value: float
    low: float
    high: float
    confidence: float
    n_members: int
    n_holdout: int

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"Expected low <= value <= high, found {self.low}, {self.value}, {self.high}.")
        if not 0 < self.confidence < 1:
            raise ValueError(f"Expected 0 < confidence={self.confidence} < 1.")
        if self.n_members < 1 or self.n_holdout < 1:
            raise ValueError(f"Expected n_members={self.n_members} >= 1 and n_holdout={self.n_holdout} >= 1.")


@dataclass(frozen=True)
class UStatistic:
    """What one site says about one score: U = #{(m, h): score_m > score_h} + ½ ties, and the two n."""

    u: float
    n_members: int
    n_holdout: int

    def __post_init__(self) -> None:
        if self.n_members < 1 or self.n_holdout < 1:
            raise ValueError(f"Expected n_members={self.n_members} >= 1 and n_holdout={self.n_holdout} >= 1.")
        if not 0 <= self.u <= self.n_members * self.n_holdout:
            raise ValueError(f"Expected 0 <= u={self.u} <= n_members·n_holdout={self.n_members * self.n_holdout}.")

    @property
    def auc(self) -> float:
        """U / (n_m n_h), in [0, 1]."""
        return self.u / (self.n_members * self.n_holdout)

    @property
    def weight(self) -> float:
        """Van Elteren's weight n_m n_h / (n_m + n_h + 1)."""
        return self.n_members * self.n_holdout / (self.n_members + self.n_holdout + 1)


def mann_whitney_u(members: np.ndarray, holdout: np.ndarray) -> float:
    """Pairs in which the member scores higher, ties counted half.

    Args:
        members: scores, shape (..., n_m); leading axes are independent repetitions of shape (...).
        holdout: scores, shape (..., n_h).

    Returns:
        U in [0, n_m n_h]: a float, or an array of shape (...) if there are leading axes.
    """
    n_members = members.shape[-1]
    ranks = rankdata(np.concatenate([members, holdout], axis=-1), axis=-1)
    u = ranks[..., :n_members].sum(axis=-1) - n_members * (n_members + 1) / 2
    return float(u) if np.ndim(u) == 0 else u


def u_statistic(members: np.ndarray, holdout: np.ndarray) -> UStatistic:
    """`mann_whitney_u` of two 1-D score arrays, with its n."""
    return UStatistic(mann_whitney_u(members, holdout), len(members), len(holdout))


def null_standard_error(n_members: int, n_holdout: int) -> float:
    """SD of the AUC when members and holdout are exchangeable: √((n_m + n_h + 1) / (12 n_m n_h))."""
    return float(np.sqrt((n_members + n_holdout + 1) / (12 * n_members * n_holdout)))


def hanley_mcneil_standard_error(auc: float, n_members: int, n_holdout: int) -> float:
    """SE of an AUC from its value and n alone (Hanley & McNeil, Radiology 143:29, 1982).

    It assumes exponential scores, needs nothing but the AUC, and equals `null_standard_error` at .5.
    """
    q_members = auc / (2 - auc)
    q_holdout = 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (n_members - 1) * (q_members - auc**2) + (n_holdout - 1) * (q_holdout - auc**2)
    ) / (n_members * n_holdout)
    return float(np.sqrt(max(variance, 0.0)))


def stratified_standard_error(auc: float, sites: Sequence[UStatistic]) -> float:
    """SE of the stratified AUC if every site's AUC were `auc`; at .5 it is 1/√(12 Σ w_i)."""
    weights = np.array([site.weight for site in sites])
    errors = np.array([hanley_mcneil_standard_error(auc, site.n_members, site.n_holdout) for site in sites])
    return float(np.sqrt(np.sum((weights * errors) ** 2)) / weights.sum())


def stratified_auc(sites: Sequence[UStatistic], confidence: float = 0.95, inflation: float = 1.0) -> Estimate:
    """AUC over sites, Σ w_i AUC_i / Σ w_i (van Elteren 1960), with one-sided bounds.

    The standard error is Hanley and McNeil's, taken at the estimate or at the bound, whichever is wider:
    so the lower bound exceeds .5 exactly when the rank test rejects, and no interval collapses at AUC 0 or 1.

    Args:
        sites: one U statistic a site.
        confidence: coverage of each bound taken alone.
        inflation: factor on the standard error, for scores that are not independent between subjects.
    """
    weights = np.array([site.weight for site in sites])
    auc = float(np.clip(np.sum(weights * [site.auc for site in sites]) / weights.sum(), 0, 1))
    reach = float(norm.ppf(confidence)) * inflation
    return Estimate(
        value=auc,
        low=_bound(auc, -reach, sites),
        high=_bound(auc, reach, sites),
        confidence=confidence,
        n_members=sum(site.n_members for site in sites),
        n_holdout=sum(site.n_holdout for site in sites),
    )


def stratified_auc_p_value(sites: Sequence[UStatistic]) -> float:
    """One-sided p-value of "members score no higher than holdout", normal approximation, null SE."""
    deviation = stratified_auc(sites).value - 0.5
    return float(norm.sf(deviation / stratified_standard_error(0.5, sites)))


def upper_bound_at_null(standard_error: float, confidence: float = 0.95) -> float:
    """Upper bound of an AUC observed at exactly .5."""
    return 0.5 + float(norm.ppf(confidence)) * standard_error


def minimum_detectable_auc(standard_error: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest AUC a one-sided test at `alpha` sees with `power`, at the null standard error; at most 1."""
    return min(1.0, 0.5 + float(norm.ppf(1 - alpha) + norm.ppf(power)) * standard_error)


def auc_power(auc: float, sites: Sequence[UStatistic], alpha: float = 0.05) -> float:
    """Probability that the stratified rank test at `alpha` rejects when every site's true AUC is `auc` > .5."""
    critical = float(norm.ppf(1 - alpha)) * stratified_standard_error(0.5, sites)
    return float(norm.sf((critical - (auc - 0.5)) / stratified_standard_error(auc, sites)))


def _bound(auc: float, reach: float, sites: Sequence[UStatistic]) -> float:
    """Bound at `reach` standard errors from `auc` (negative: lower)."""
    end = 1.0 if reach > 0 else 0.0

    def excess(candidate: float) -> float:
        return abs(candidate - auc) - abs(reach) * stratified_standard_error(candidate, sites)

    start = auc + np.sign(reach) * 1e-9  # at AUC 0 or 1 the estimate itself is a root that means nothing
    at_bound = end if abs(auc - end) <= 1e-9 else float(brentq(excess, start, end))
    at_estimate = float(np.clip(auc + reach * stratified_standard_error(auc, sites), 0, 1))
    return max(at_bound, at_estimate) if reach > 0 else min(at_bound, at_estimate)
