"""How a release fares that leaks nothing: the bounds it shows, and how often chance alone denies it a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import floor
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from privacy_eval.attacks.replicas import REPLICA_QUANTILE
from privacy_eval.battery import Measure
from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import CountPair, least, most, stratified_difference, suppress
from privacy_eval.statistics.ranks import UStatistic, stratified_auc, stratified_standard_error
from privacy_eval.verdict.family import fpr_of
from privacy_eval.verdict.power import Stratum

ASSUMED_GUESS_RATE: Final = 0.5
"""T11: share of patients whose attribute is guessed right when nothing leaks; at one half bounds are widest."""

_QUADRATURE_NODES: Final = 80


@dataclass(frozen=True)
class PlannedSite:
    """One site's numbers of patients, as they are or as they are hoped for.

    Attributes:
        name: the site.
        members: patients to train on.
        holdout: patients never trained on.
        minimum_count: counts from 1 below it are suppressed.
        minimum_subjects: with fewer members or holdout patients the site abstains.
    """

    name: str
    members: int
    holdout: int
    minimum_count: int = 5
    minimum_subjects: int = 20

    def __post_init__(self) -> None:
        for what, least_of in (("members", 0), ("holdout", 0), ("minimum_count", 1), ("minimum_subjects", 1)):
            if getattr(self, what) < least_of:
                raise InputError(f"site '{self.name}': {what} = {getattr(self, what)}; expected at least {least_of}")

    @property
    def takes_part(self) -> bool:
        """Whether it has patients enough to answer; T3 must halve them, so two are the least of all."""
        return min(self.members, self.holdout) >= max(2, self.minimum_subjects)

    def enlarged(self, factor: float) -> PlannedSite:
        """The same site with `factor` times as many members and holdout patients, to the nearest patient."""
        return PlannedSite(self.name, max(2, round(factor * self.members)), max(2, round(factor * self.holdout)),
                           self.minimum_count, self.minimum_subjects)

    def stratum(self, one: Measure) -> Stratum:
        """Its patients behind a measure."""
        return Stratum(*one.sizes(self.members, self.holdout), self.minimum_count)


def at_null(sites: Sequence[PlannedSite], one: Measure, auc: float = 0.5) -> list[UStatistic]:
    """What every site sends for a rank measure if its AUC is `auc`."""
    sizes = [site.stratum(one) for site in sites]
    return [UStatistic(auc * n.members * n.holdout, n.members, n.holdout) for n in sizes]


def pass_of_ranks(sites: Sequence[PlannedSite], one: Measure, tolerance: float, level: float) -> float:
    """Probability that a clean release's AUC has an upper bound, at 1 − level, within the tolerance.

    Normal approximation of the AUC at its null SE; the bound is the audit's own, `stratified_auc`.
    """

    def excess(auc: float) -> float:
        return stratified_auc(at_null(sites, one, auc), 1 - level).high - tolerance

    highest = float(brentq(excess, 0.0, tolerance)) if excess(0.0) < 0 else 0.0
    return float(norm.cdf((highest - 0.5) / stratified_standard_error(0.5, at_null(sites, one))))


def bounds_of_counts(sites: Sequence[PlannedSite], one: Measure, level: float, runs: int,
                     rng: np.random.Generator) -> np.ndarray:
    """Upper bounds, at 1 − level, of a count measure over `runs` simulated clean releases, shape (runs,).

    Members and holdout are hit at one rate; counts are suppressed at the site and read at the server so that the
    bound is highest, as in the audit.
    """
    strata = [site.stratum(one) for site in sites]
    rates = [_clean_rates(site, one, runs, rng) for site in sites]
    members = [rng.binomial(stratum.members, rate) for stratum, rate in zip(strata, rates, strict=True)]
    holdout = [rng.binomial(stratum.holdout, rate) for stratum, rate in zip(strata, rates, strict=True)]

    @cache
    def bound(pairs: tuple[CountPair, ...]) -> float:
        return stratified_difference(pairs, 1 - level).high

    return np.array([bound(tuple(_as_read(stratum, int(m[run]), int(h[run]))
                                 for stratum, m, h in zip(strata, members, holdout, strict=True)))
                     for run in range(runs)])


def all_pass(probabilities: Sequence[float], correlation: float) -> float:
    """Probability that all pass if the normal deviates behind them have one common factor.

    Any two deviates are correlated by `correlation` in [0, 1): P = ∫ φ(f) Π Φ((Φ⁻¹(pᵢ) − √ρ f)/√(1 − ρ)) df, by
    Gauss-Hermite quadrature. At 0 it is the product.
    """
    factor, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_NODES)
    thresholds = norm.ppf(np.asarray(probabilities, float))[:, None]
    given = norm.cdf((thresholds - np.sqrt(correlation) * factor) / np.sqrt(1 - correlation)).prod(axis=0)
    return float(np.clip(weights @ given / weights.sum(), 0, 1))


def _clean_rates(site: PlannedSite, one: Measure, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Rates at which members and holdout alike are hit, one a simulated release.

    T3's threshold is the k-th highest of the scores set aside, so that its rate is Beta distributed. T6's is the
    quantile that defines a replica, T11's is assumed.
    """
    if one.test != "T3":
        return np.full(runs, REPLICA_QUANTILE if one.test == "T6" else ASSUMED_GUESS_RATE)
    aside = site.holdout // 2
    above = max(1, floor(fpr_of(one) * (aside + 1) + 1e-9))
    return rng.beta(above, aside + 1 - above, runs)


def _as_read(stratum: Stratum, members: int, holdout: int) -> CountPair:
    """Counts after suppression at the site, in the reading that makes an upper bound highest."""
    limit = stratum.minimum_count
    highest = most(suppress(members, limit), limit, stratum.members)
    return CountPair(highest, stratum.members, least(suppress(holdout, limit)), stratum.holdout)
