"""The family of tests on one condition: estimates, p-values, Holm, power and each test's decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from scipy.stats import norm

from privacy_eval.site.answer import Condition, SiteStatistics, TestId
from privacy_eval.statistics.counts import stratified_difference, stratified_exact_p_value
from privacy_eval.statistics.multiplicity import holm
from privacy_eval.statistics.ranks import (
    Estimate,
    auc_power,
    minimum_detectable_auc,
    null_standard_error,
    stratified_auc,
    stratified_auc_p_value,
    stratified_standard_error,
)
from privacy_eval.verdict import power
from privacy_eval.verdict.policy import AuditPolicy, Verdict

CONVENTIONAL_POWER: Final = 0.8
"""Power at which the minimum detectable effect is stated."""


@dataclass(frozen=True)
class Measurement:
    """One test on one condition.

    Attributes:
        id: T1, T2, T4 or T6.
        estimate: stratified AUC (null .5); T6: stratified replica rate of members minus holdout (null 0).
        p_value: one-sided, of the null that members are treated as holdout.
        adjusted_p: after Holm over the family.
    """

    id: TestId
    estimate: Estimate
    p_value: float
    adjusted_p: float


@dataclass(frozen=True)
class TestResult(Measurement):
    """One test on the release, with what it could have seen and what follows.

    Attributes:
        tolerance: the upper bound the study accepts.
        power: probability of rejecting, at the first step of Holm, a leak as large as the tolerance.
        minimum_detectable: smallest effect rejected there with 80 % power, on the scale of the estimate.
        decision: this test's own verdict (never VOID).
        subjects_to_settle: members (and as many holdout) that would about settle an inconclusive test; else None.
    """

    __test__ = False  # not a test of pytest's, whatever its name says

    tolerance: float
    power: float
    minimum_detectable: float
    decision: Verdict
    subjects_to_settle: int | None


def measure(sites: Sequence[SiteStatistics], condition: Condition, policy: AuditPolicy) -> tuple[Measurement, ...]:
    """The family on one condition, combined over sites that took part."""
    estimates = [_estimate(sites, condition, test, 1 - policy.alpha) for test in policy.tests]
    p_values = [_p_value(sites, condition, test) for test in policy.tests]
    rows = zip(policy.tests, estimates, p_values, holm(p_values), strict=True)
    return tuple(Measurement(*row) for row in rows)


def decide(
    sites: Sequence[SiteStatistics], policy: AuditPolicy, rng: np.random.Generator
) -> tuple[TestResult, ...]:
    """The family on the release, with power and decisions; `rng` draws the simulated audits behind T6's power."""
    return tuple(_decide(row, sites, policy, rng) for row in measure(sites, "release", policy))


def _decide(
    row: Measurement, sites: Sequence[SiteStatistics], policy: AuditPolicy, rng: np.random.Generator
) -> TestResult:
    tolerance, alpha = policy.tolerance(row.id), policy.first_step_alpha
    if row.adjusted_p <= policy.alpha:
        decision = Verdict.LEAK
    elif row.estimate.high <= tolerance:
        decision = Verdict.NO_LEAK_FOUND
    else:
        decision = Verdict.INCONCLUSIVE
    if row.id == "T6":
        seen = power.replica_rate_power(sites, tolerance, alpha, policy.simulations, rng)
        smallest = power.minimum_detectable_replica_rate(sites, alpha, CONVENTIONAL_POWER, policy.simulations, rng)
    else:
        statistics = [site.rank("release", row.id) for site in sites]
        seen = auc_power(tolerance, statistics, alpha)
        smallest = minimum_detectable_auc(stratified_standard_error(0.5, statistics), alpha, CONVENTIONAL_POWER)
    settle = subjects_to_settle(row, tolerance, alpha) if decision is Verdict.INCONCLUSIVE else None
    return TestResult(row.id, row.estimate, row.p_value, row.adjusted_p, tolerance, seen, smallest, decision, settle)


def subjects_to_settle(row: Measurement, tolerance: float, alpha: float) -> int:
    """Members, and as many holdout subjects, with which the same estimate would about decide the test.

    An estimate under the tolerance would pass, one above it be rejected; bounds shrink as 1/√n.
    """
    estimate = row.estimate
    n = max(estimate.n_members, estimate.n_holdout)
    if estimate.value < tolerance:
        return ceil(n * ((estimate.high - estimate.value) / (tolerance - estimate.value)) ** 2)
    reach = float(norm.ppf(1 - alpha))
    if row.id == "T6":
        return ceil(n * max(1.0, (estimate.value - estimate.low) / estimate.value) ** 2)
    needed = reach * null_standard_error(n, n) / (estimate.value - 0.5)
    return ceil(n * max(1.0, needed) ** 2)


def _estimate(sites: Sequence[SiteStatistics], condition: Condition, test: TestId, confidence: float) -> Estimate:
    if test != "T6":
        return stratified_auc([site.rank(condition, test) for site in sites], confidence)
    least = stratified_difference([site.replicas(condition, "low") for site in sites], confidence)
    most = stratified_difference([site.replicas(condition, "high") for site in sites], confidence)
    middle = (least.value + most.value) / 2
    return Estimate(middle, least.low, most.high, confidence, least.n_members, least.n_holdout)


def _p_value(sites: Sequence[SiteStatistics], condition: Condition, test: TestId) -> float:
    if test != "T6":
        return stratified_auc_p_value([site.rank(condition, test) for site in sites])
    return stratified_exact_p_value([site.replicas(condition, "low") for site in sites])
