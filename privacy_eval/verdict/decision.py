"""Each test's own decision: its measures against their tolerances, with what they could have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from scipy.stats import norm

from privacy_eval.battery import Measure, TestId
from privacy_eval.statistics.ranks import (
    auc_power,
    minimum_detectable_auc,
    null_standard_error,
    stratified_standard_error,
)
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.family import Measurement, fpr_of, measure
from privacy_eval.verdict.policy import AuditPolicy, Verdict
from privacy_eval.verdict.power import minimum_detectable_difference, rate_power

CONVENTIONAL_POWER: Final = 0.8
"""Power at which the minimum detectable effect is stated."""

_ORDER: Final = (Verdict.NO_LEAK_FOUND, Verdict.INCONCLUSIVE, Verdict.LEAK)


@dataclass(frozen=True)
class Finding(Measurement):
    """One measure on the release, with what it could have seen and what follows.

    Attributes:
        tolerance: the upper bound the study accepts; None for T7, whose pass proves nothing.
        power: probability of rejecting, at the first step of Holm, a leak as large as the tolerance; None for T7.
        minimum_detectable: smallest effect rejected there with 80 % power, on the scale of the estimate; None for T7.
        decision: this measure's own verdict (never VOID).
        subjects_to_settle: members (and as many holdout) that would about settle an inconclusive one; else None.
    """

    tolerance: float | None
    power: float | None
    minimum_detectable: float | None
    decision: Verdict
    subjects_to_settle: int | None


@dataclass(frozen=True)
class TestResult:
    """One test: its findings, one a variant, and the worst of them, which speaks for the test."""

    __test__ = False  # not a test of pytest's, whatever its name says

    id: TestId
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        """The finding with the gravest decision; among equals the one nearest to a leak."""
        return max(self.findings, key=lambda found: (_ORDER.index(found.decision), _nearness(found)))

    @property
    def decision(self) -> Verdict:
        """The gravest decision: a leak in one variant is a leak, a pass needs all."""
        return self.worst.decision


def decide(answers: Answers, family: Sequence[Measure], policy: AuditPolicy, level: float,
           rng: np.random.Generator) -> tuple[TestResult, ...]:
    """The family on the release; `rng` draws the simulated audits behind the power of counts."""
    powers = _Powers(answers, policy, level / len(family), rng)
    findings = [_decide(row, policy, level, powers) for row in measure(answers, "release", family, 1 - level)]
    tests = dict.fromkeys(found.measure.test for found in findings)
    return tuple(TestResult(test, tuple(found for found in findings if found.measure.test == test)) for test in tests)


def _decide(row: Measurement, policy: AuditPolicy, level: float, powers: _Powers) -> Finding:
    tolerance = policy.tolerance(row.measure)
    if row.adjusted_p <= level:
        decision = Verdict.LEAK
    elif tolerance is None or row.estimate.high <= tolerance:
        decision = Verdict.NO_LEAK_FOUND
    else:
        decision = Verdict.INCONCLUSIVE
    settle = None
    if decision is Verdict.INCONCLUSIVE and tolerance is not None:
        settle = subjects_to_settle(row, tolerance, powers.alpha)
    return Finding(row.measure, row.estimate, row.p_value, row.adjusted_p, tolerance, *powers.of(row.measure),
                   decision, settle)


class _Powers:
    """Power at the tolerance and minimum detectable effect; simulated once for measures of like patients."""

    def __init__(self, answers: Answers, policy: AuditPolicy, alpha: float,
                 rng: np.random.Generator) -> None:
        self.answers, self.policy, self.alpha, self.rng = answers, policy, alpha, rng
        self._counts: dict[tuple[str, float], tuple[float, float]] = {}

    def of(self, one: Measure) -> tuple[float | None, float | None]:
        """(power at the tolerance, smallest effect seen with conventional power)."""
        tolerance = self.policy.tolerance(one)
        if tolerance is None:
            return None, None
        if one.kind == "rank":
            statistics = self.answers.ranks("release", one)
            error = stratified_standard_error(0.5, statistics)
            return (auc_power(tolerance, statistics, self.alpha),
                    minimum_detectable_auc(error, self.alpha, CONVENTIONAL_POWER))
        key = one.test, self._base(one)
        if key not in self._counts:
            self._counts[key] = self._of_counts(one, tolerance)
        return self._counts[key]

    def _of_counts(self, one: Measure, tolerance: float) -> tuple[float, float]:
        base, runs, patients = self._base(one), self.policy.simulations, self.answers.strata(one)
        seen = rate_power(patients, min(1.0, base + tolerance), base, self.alpha, runs, self.rng)
        smallest = minimum_detectable_difference(patients, base, self.alpha, CONVENTIONAL_POWER, runs // 4, self.rng)
        return seen, smallest

    def _base(self, one: Measure) -> float:
        """Rate at which holdout is hit when nothing leaks: T3's own; T11's as seen, in tenths; T6's none."""
        if one.test == "T3":
            return fpr_of(one)
        if one.test == "T6":
            return 0.0
        pairs = self.answers.pairs("release", one, "low")
        return round(sum(pair.holdout for pair in pairs) / sum(pair.n_holdout for pair in pairs), 1)


def subjects_to_settle(row: Measurement, tolerance: float, alpha: float) -> int:
    """Members, and as many holdout subjects, with which the same estimate would about decide the measure.

    An estimate under the tolerance would pass, one above it be rejected; bounds shrink as 1/√n.
    """
    estimate = row.estimate
    n = max(estimate.n_members, estimate.n_holdout)
    if estimate.value < tolerance:
        return ceil(n * ((estimate.high - estimate.value) / (tolerance - estimate.value)) ** 2)
    if row.measure.kind == "count":
        return ceil(n * max(1.0, (estimate.value - estimate.low) / estimate.value) ** 2)
    needed = float(norm.ppf(1 - alpha)) * null_standard_error(n, n) / (estimate.value - 0.5)
    return ceil(n * max(1.0, needed) ** 2)


def _nearness(found: Finding) -> float:
    """How near a finding is to a leak: what is left of its tolerance, or of the level where it has none."""
    if found.tolerance is None:
        return -found.adjusted_p
    return (found.estimate.high - found.tolerance) / found.tolerance
