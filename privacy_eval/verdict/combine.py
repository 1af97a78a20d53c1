"""From the sites' statistics to one of four verdicts.

VOID if the blind baseline or a control says that the audit cannot be believed; else LEAK if Holm rejects any test;
NO LEAK FOUND AT THE STATED POWER only if every upper bound is within its tolerance and nothing weakens the audit;
else INCONCLUSIVE. What weakens an audit (few subjects, an abstention, a control of low power) caps a pass; a leak that
was found stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from privacy_eval.attacks.blind import BLIND_INFLATION
from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.controls import LEAKED_SHARE, MUST_FIRE
from privacy_eval.statistics.ranks import Estimate, stratified_auc
from privacy_eval.verdict import power
from privacy_eval.verdict.family import Measurement, TestResult, decide, measure
from privacy_eval.verdict.policy import BLIND_MINIMUM, REQUIRED_CONTROL_POWER, AuditPolicy, Verdict

Outcome = Literal["passed", "failed"]


@dataclass(frozen=True)
class ControlTest:
    """One test on one control.

    Attributes:
        measurement: what it measured there.
        must_fire: True on the positive control, False on the negative, where it must stay silent.
        fired: whether Holm rejected, at alpha (positive) or control_alpha (negative).
        power: probability that it fires on the positive control at these n, by simulation; None on the negative.
    """

    measurement: Measurement
    must_fire: bool
    fired: bool
    power: float | None

    @property
    def right(self) -> bool:
        """Whether it did what it must."""
        return self.fired == self.must_fire


@dataclass(frozen=True)
class Control:
    """A control of this very run: passed if every test did what it must."""

    tests: tuple[ControlTest, ...]

    @property
    def outcome(self) -> Outcome:
        """Whether every test did what it must."""
        return "passed" if all(test.right for test in self.tests) else "failed"

    @property
    def wrong(self) -> tuple[ControlTest, ...]:
        """Tests that did not do what they must."""
        return tuple(test for test in self.tests if not test.right)

    @property
    def underpowered(self) -> tuple[ControlTest, ...]:
        """Must-fire tests whose power is below what is required."""
        return tuple(test for test in self.tests if test.power is not None and test.power < REQUIRED_CONTROL_POWER)


@dataclass(frozen=True)
class BlindBaseline:
    """V0: how well members are told from holdout without the release. Its SE is inflated, see `BLIND_INFLATION`."""

    estimate: Estimate

    @property
    def outcome(self) -> Outcome:
        """Failed if the lower bound is above .5: the split was not random."""
        return "failed" if self.estimate.low > 0.5 else "passed"


@dataclass(frozen=True)
class AuditResult:
    """The verdict with all it rests on.

    Attributes:
        verdict: one of four.
        policy: what it was judged by.
        sites: the sites' answers, abstentions included.
        tests: the family on the release.
        positive, negative: the controls of this run.
        validity: the blind baseline.
        reasons: why this verdict, one sentence each.
        warnings: what a reader must know besides, one sentence each.
    """

    verdict: Verdict
    policy: AuditPolicy
    sites: tuple[SiteStatistics, ...]
    tests: tuple[TestResult, ...]
    positive: Control
    negative: Control
    validity: BlindBaseline
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def combine(sites: Sequence[SiteStatistics], policy: AuditPolicy) -> AuditResult:
    """Combine the sites' statistics, stratified by site, into the verdict.

    Raises:
        InputError: if no site took part, two have one name, or one lacks a test of the family.
    """
    present = _taking_part(sites)
    rng = np.random.default_rng(policy.simulation_seed)
    tests = decide(present, policy, rng)
    positive = _positive(present, policy, rng)
    negative = Control(
        tuple(
            ControlTest(row, False, row.adjusted_p <= policy.control_alpha, None)
            for row in measure(present, "negative", policy)
        )
    )
    blind = BlindBaseline(stratified_auc([site.blind for site in present], 1 - policy.alpha, BLIND_INFLATION))
    weak = _weak(sites, positive)
    verdict, reasons = _judge(tests, _void(positive, negative, blind), weak)
    warnings = _warnings(present) + [sentence for sentence in weak if sentence not in reasons]
    return AuditResult(
        verdict, policy, tuple(sites), tests, positive, negative, blind, tuple(reasons), tuple(warnings)
    )


def _taking_part(sites: Sequence[SiteStatistics]) -> list[SiteStatistics]:
    names = [site.site for site in sites]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"audit: site '{twice[0]}' answered twice; expected one answer a site")
    present = [site for site in sites if not site.abstained]
    if not present:
        raise InputError(f"audit: none of {len(sites)} sites took part; expected at least one with enough subjects")
    return present


def _positive(sites: Sequence[SiteStatistics], policy: AuditPolicy, rng: np.random.Generator) -> Control:
    alpha, runs = policy.first_step_alpha, policy.simulations
    powers: dict[str, float] = {}
    if "T6" in policy.tests:
        powers["T6"] = power.leak_power_of_replicas(sites, alpha, runs, rng)
    of_ranks = power.leak_power_of_ranks(sites, LEAKED_SHARE, alpha, runs, rng)
    return Control(
        tuple(
            ControlTest(row, True, row.adjusted_p <= policy.alpha, powers.get(row.id, of_ranks))
            for row in measure(sites, "positive", policy)
            if row.id in MUST_FIRE
        )
    )


def _void(positive: Control, negative: Control, blind: BlindBaseline) -> list[str]:
    """Reasons not to believe the audit at all."""
    reasons = []
    if blind.outcome == "failed":
        reasons.append(
            f"Members and holdout can be told apart without the release (V0: AUC {blind.estimate.value:.3f}, "
            f"lower bound {blind.estimate.low:.3f} above .5): they were not split at random, so no membership test "
            "can be read."
        )
    unpowered = positive.underpowered
    reasons += [
        f"{test.measurement.id} missed the leak that the positive control planted: this audit could not have seen one."
        for test in positive.wrong
        if test not in unpowered
    ]
    reasons += [
        f"{test.measurement.id} fired on the negative control, which holds no member "
        f"(adjusted p {test.measurement.adjusted_p:.2g}): it accuses the innocent."
        for test in negative.wrong
    ]
    return reasons


def _weak(sites: Sequence[SiteStatistics], positive: Control) -> list[str]:
    """Reasons why this audit cannot support a pass."""
    reasons = []
    for site in sites:
        if site.abstained:
            reasons.append(f"Site '{site.site}' has too few subjects and abstained: nothing is known of its members.")
        elif min(site.n_members, site.n_holdout) < BLIND_MINIMUM:
            reasons.append(
                f"Site '{site.site}' has {site.n_members} members and {site.n_holdout} holdout subjects; with fewer "
                f"than {BLIND_MINIMUM} of either its random split cannot be vouched for."
            )
    reasons += [
        f"{test.measurement.id} {'fires' if test.fired else 'did not fire, and fires'} on the positive control with "
        f"a power of {test.power:.2f} only, below {REQUIRED_CONTROL_POWER}: too few subjects to show that it works."
        for test in positive.underpowered
    ]
    return reasons


def _judge(tests: Sequence[TestResult], void: list[str], weak: list[str]) -> tuple[Verdict, list[str]]:
    if void:
        return Verdict.VOID, void
    leaks = [test for test in tests if test.decision is Verdict.LEAK]
    if leaks:
        return Verdict.LEAK, [_leak_reason(test) for test in leaks]
    unsettled = [test for test in tests if test.decision is Verdict.INCONCLUSIVE]
    if unsettled or weak:
        return Verdict.INCONCLUSIVE, [_unsettled_reason(test) for test in unsettled] + weak
    return Verdict.NO_LEAK_FOUND, [
        f"{test.id}: the upper bound {test.estimate.high:.3f} is within the tolerance {test.tolerance:.2f}."
        for test in tests
    ]


def _leak_reason(test: TestResult) -> str:
    return (
        f"{test.id}: members are told from holdout: estimate {test.estimate.value:.3f}, lower bound "
        f"{test.estimate.low:.3f}, adjusted p {test.adjusted_p:.2g}."
    )


def _unsettled_reason(test: TestResult) -> str:
    return (
        f"{test.id}: the upper bound {test.estimate.high:.3f} exceeds the tolerance {test.tolerance:.2f}, yet no leak "
        f"is shown; roughly {test.subjects_to_settle} members and as many holdout subjects would settle it."
    )


def _warnings(sites: Sequence[SiteStatistics]) -> list[str]:
    warnings = []
    hit = [site.site for site in sites if site.conditions["release"].replicas.members != 0]
    if hit:
        warnings.append(
            f"T6 counts at least one member with an unusually near synthetic volume at {', '.join(hit)}: look at the "
            "hits inside the site. Removing them from the release afterwards would break any end-to-end DP statement."
        )
    hidden = [site.site for site in sites if site.suppressed("release")]
    if hidden:
        warnings.append(
            f"T6 counts from 1 up to the site's limit were suppressed at {', '.join(hidden)}: the estimate takes their "
            "middle, a claim of a leak the least, an upper bound the most they can be."
        )
    return warnings

