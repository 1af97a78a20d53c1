"""One test of a planned audit: what its patients can show of a clean release, and of a leaky one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from privacy_eval.battery import Measure
from privacy_eval.site.controls import LEAKED_SHARE
from privacy_eval.statistics.ranks import auc_power, minimum_detectable_auc, stratified_auc, stratified_standard_error
from privacy_eval.statistics.rates import answerable, holdout_needed
from privacy_eval.verdict.clean import (
    ASSUMED_GUESS_RATE,
    PlannedSite,
    all_pass,
    at_null,
    bounds_of_counts,
    pass_of_ranks,
)
from privacy_eval.verdict.decision import CONVENTIONAL_POWER
from privacy_eval.verdict.family import fpr_of
from privacy_eval.verdict.policy import BLIND_MINIMUM, AuditPolicy
from privacy_eval.verdict.power import (
    leak_power_of_ranks,
    leak_power_of_replicas,
    minimum_detectable_difference,
    rate_power,
)

WANTED_PASS: Final = 0.8
"""Probability of a pass at which the numbers of patients needed are stated."""

ASSUMED_CORRELATION: Final = 0.5
"""Of the deviates behind any two measures, which attack the same patients: an assumption, not a measurement."""

ENLARGEMENTS: Final = tuple(float(factor) for factor in 1.05 ** np.arange(-40, 86))
"""Cohorts tried in the search for numbers that suffice: a seventh to 63 times the planned ones, in steps of 5 %."""


@dataclass(frozen=True)
class Prospect:
    """One test (T3: at one rate) in all its variants, which have the same patients and so the same prospects.

    Attributes:
        measures: the variants.
        members, holdout: patients behind each variant, all sites together.
        tolerance: the upper bound the study accepts; None for T7, whose pass proves nothing.
        clean_bound: upper bound that a clean release shows in the middle case; None for T7.
        clean_pass: probability that a clean release passes in one variant.
        clean_pass_all: the same for all variants at once, at `ASSUMED_CORRELATION`.
        power: probability that a leak as large as the tolerance is found, in one variant; None for T7.
        minimum_detectable: smallest effect found with 80 % power there; None for T7.
        enlargement: factor on every site's patients with which `clean_pass_all` is 80 %; None if 63 is too few.
    """

    measures: tuple[Measure, ...]
    members: int
    holdout: int
    tolerance: float | None
    clean_bound: float | None
    clean_pass: float
    clean_pass_all: float
    power: float | None
    minimum_detectable: float | None
    enlargement: float | None

    @property
    def name(self) -> str:
        """Such as "T1" or "T3 at 10 %"."""
        one = self.measures[0]
        return f"T3 at {fpr_of(one):.0%}".replace("%", " %") if one.test == "T3" else one.test

    @property
    def can_pass(self) -> bool:
        """Whether a clean release passes in the middle case."""
        return self.tolerance is None or (self.clean_bound is not None and self.clean_bound <= self.tolerance)


@dataclass(frozen=True)
class Unanswerable:
    """Variants of T3 whose false-positive rate these numbers cannot bound."""

    measures: tuple[Measure, ...]
    holdout: int
    needed: int


class Outlook:
    """Figures of groups of measures; every simulation starts at the policy's seed, so that they compare."""

    def __init__(self, sites: Sequence[PlannedSite], policy: AuditPolicy, n_measures: int) -> None:
        self.sites, self.policy = sites, policy
        self.level = policy.level(1)
        self.first_step = self.level / n_measures
        self._pass = cache(self._pass_of_enlarged)

    def prospect(self, group: tuple[Measure, ...]) -> Prospect:
        """Everything about one group."""
        one = group[0]
        sizes = [site.stratum(one) for site in self.sites]
        tolerance, passes = self.policy.tolerance(one), self._pass(one, 1.0)
        return Prospect(group, sum(n.members for n in sizes), sum(n.holdout for n in sizes), tolerance,
                        self._clean_bound(one), passes, all_pass([passes] * len(group), ASSUMED_CORRELATION),
                        *self._powers(one, tolerance),
                        _first(lambda factor: self._all_pass([group], factor) >= WANTED_PASS))

    def enlargement_of_all(self, groups: Sequence[tuple[Measure, ...]], no_void: float) -> float | None:
        """Factor with which all groups pass, no control voids and every site vouches for its split, at 80 %."""
        rarest = min(min(site.members, site.holdout) for site in self.sites)

        def suffices(factor: float) -> bool:
            likely = self._all_pass(groups, factor) * no_void >= WANTED_PASS
            return likely and round(factor * rarest) >= BLIND_MINIMUM

        return _first(suffices)

    def control_powers(self, family: Sequence[Measure]) -> dict[str, float]:
        """Power of the must-fire measures on the positive control, by kind."""
        powers: dict[str, float] = {}
        for one in family:
            if one.must_fire and one.kind not in powers:
                strata, runs = [site.stratum(one) for site in self.sites], self.policy.simulations
                powers[one.kind] = (
                    leak_power_of_ranks(strata, LEAKED_SHARE, self.first_step, runs, self._rng())
                    if one.kind == "rank" else leak_power_of_replicas(strata, self.first_step, runs, self._rng()))
        return powers

    def _all_pass(self, groups: Sequence[tuple[Measure, ...]], factor: float) -> float:
        return all_pass([self._pass(group[0], factor) for group in groups for _ in group], ASSUMED_CORRELATION)

    def _pass_of_enlarged(self, one: Measure, factor: float) -> float:
        """A clean release's probability to pass: its bound is within the tolerance and Holm does not reject.

        Both fail at high estimates, so the rarer of them decides; a test rejects at most as often as its level.
        """
        tolerance, not_rejected = self.policy.tolerance(one), 1 - self.first_step
        if tolerance is None:
            return not_rejected
        sites = [site.enlarged(factor) for site in self.sites]
        if unanswerable(sites, (one,)):
            return 0.0
        if one.kind == "rank":
            return min(not_rejected, pass_of_ranks(sites, one, tolerance, self.level))
        bounds = bounds_of_counts(sites, one, self.level, self.policy.simulations, self._rng())
        return min(not_rejected, float(np.mean(bounds <= tolerance)))

    def _clean_bound(self, one: Measure) -> float | None:
        if one.kind == "normal":
            return None
        if one.kind == "rank":
            return stratified_auc(at_null(self.sites, one), 1 - self.level).high
        return float(np.median(bounds_of_counts(self.sites, one, self.level, self.policy.simulations, self._rng())))

    def _powers(self, one: Measure, tolerance: float | None) -> tuple[float | None, float | None]:
        """(power at the tolerance, smallest effect found with conventional power), at Holm's first step."""
        if tolerance is None:
            return None, None
        if one.kind == "rank":
            statistics = at_null(self.sites, one)
            error = stratified_standard_error(0.5, statistics)
            return (auc_power(tolerance, statistics, self.first_step),
                    minimum_detectable_auc(error, self.first_step, CONVENTIONAL_POWER))
        base = {"T3": fpr_of, "T11": lambda _: ASSUMED_GUESS_RATE}.get(one.test, lambda _: 0.0)(one)
        strata, runs = [site.stratum(one) for site in self.sites], self.policy.simulations
        return (rate_power(strata, min(1.0, base + tolerance), base, self.first_step, runs, self._rng()),
                minimum_detectable_difference(strata, base, self.first_step, CONVENTIONAL_POWER, runs // 4,
                                              self._rng()))

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.policy.simulation_seed)


def unanswerable(sites: Sequence[PlannedSite], group: tuple[Measure, ...]) -> Unanswerable | None:
    """Whether a group is T3 at a false-positive rate that so few holdout patients cannot bound; else None."""
    if group[0].test != "T3":
        return None
    n, rate = sum(site.stratum(group[0]).holdout for site in sites), fpr_of(group[0])
    return None if answerable(n, rate) else Unanswerable(group, n, holdout_needed(rate))


def _first(suffices: Callable[[float], bool]) -> float | None:
    """The smallest of `ENLARGEMENTS` that suffices, by bisection; None if none does."""
    low, high = -1, len(ENLARGEMENTS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(ENLARGEMENTS[middle]) else (middle, high)
    return ENLARGEMENTS[high] if high < len(ENLARGEMENTS) else None
