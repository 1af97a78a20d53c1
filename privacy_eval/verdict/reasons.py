"""The verdict in sentences: what voids an audit, what weakens it, why it leaks or passes, what to know besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from privacy_eval.battery import Measure
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.controls import ControlTest
from privacy_eval.verdict.decision import Finding, TestResult
from privacy_eval.verdict.family import Measurement, Unanswered
from privacy_eval.verdict.policy import BLIND_MINIMUM, REQUIRED_CONTROL_POWER, AuditPolicy, Verdict

_ALARM_LEVEL: Final = 0.01


def judge(tests: Sequence[TestResult], copies: Sequence[str], void: Sequence[str],
          weak: Sequence[str]) -> tuple[Verdict, list[str]]:
    """The verdict and why."""
    if copies:
        return Verdict.LEAK, list(copies)
    if void:
        return Verdict.VOID, list(void)
    findings = [found for test in tests for found in test.findings]
    if leaks := [found for found in findings if found.decision is Verdict.LEAK]:
        return Verdict.LEAK, [_leak_reason(found) for found in leaks]
    unsettled = [found for found in findings if found.decision is Verdict.INCONCLUSIVE]
    if unsettled or weak:
        return Verdict.INCONCLUSIVE, [_unsettled_reason(found) for found in unsettled] + list(weak)
    return Verdict.NO_LEAK_FOUND, [_pass_reason(test) for test in tests]


def void_reasons(blind: Estimate, missed: Sequence[ControlTest], accusing: Sequence[ControlTest]) -> list[str]:
    """Reasons not to believe the audit at all."""
    reasons = []
    if blind.low > 0.5:
        reasons.append(
            f"Members and holdout can be told apart without the release (V0: AUC {blind.value:.3f}, lower bound "
            f"{blind.low:.3f} above .5): they were not split at random, so no membership test can be read.")
    reasons += [f"{test.measurement.measure.id} missed the leak that the positive control planted: this audit could "
                "not have seen one." for test in missed]
    reasons += [f"{test.measurement.measure.id} fired on the negative control, which holds no member (adjusted p "
                f"{test.measurement.adjusted_p:.2g}): it accuses the innocent." for test in accusing]
    return reasons


def weak_reasons(sites: Sequence[SiteStatistics | PrivateStatistics], underpowered: Sequence[ControlTest]) -> list[str]:
    """Reasons why this audit cannot support a pass."""
    reasons = []
    for site in sites:
        if site.abstained:
            reasons.append(f"Site '{site.site}' has too few subjects and abstained: nothing is known of its members.")
        elif min(site.n_members, site.n_holdout) < BLIND_MINIMUM:
            reasons.append(
                f"Site '{site.site}' has {site.n_members} members and {site.n_holdout} holdout subjects; with fewer "
                f"than {BLIND_MINIMUM} of either its random split cannot be vouched for.")
    reasons += [
        f"{test.measurement.measure.id} {'fires' if test.fired else 'did not fire, and fires'} on the positive control "
        f"with a power of {test.power:.2f} only, below {REQUIRED_CONTROL_POWER}: too few subjects to show it works."
        for test in underpowered]
    return reasons


def uneven_reasons(answers: Answers) -> list[str]:
    """Counts summed over sites are one table, which misleads where sites split their patients differently."""
    if not answers.uneven:
        return []
    return ["Counts were summed over sites whose shares of members differ by more than a tenth: one table of all can "
            "mislead, let all sites split alike."]


def warnings_of(answers: Answers, family: Sequence[Measure], apart: Sequence[Measurement],
                silent: Sequence[Unanswered], number: int, policy: AuditPolicy) -> list[str]:
    """What a reader must know besides the verdict."""
    replicas = [one for one in family if one.test == "T6"]
    warnings = [f"{row.measure.id} is {row.why}." for row in silent]
    warnings += [
        f"{row.measure.id}, which does not decide, gives p = {row.p_value:.2g} (estimate {row.estimate.value:.3f}): "
        "look at it inside the sites." for row in apart if row.p_value <= _ALARM_LEVEL]
    if hit := answers.where_hit(replicas):
        warnings.append(
            f"T6 counts at least one member with an unusually near synthetic volume at {', '.join(hit)}: look at the "
            "hits inside the site. Removing them from the release afterwards would break any end-to-end DP statement.")
    counted = [one for one in family if one.kind == "count"]
    if hidden := answers.where_suppressed(counted):
        warnings.append(
            f"Counts from 1 up to the site's limit were suppressed at {', '.join(hidden)}: the estimate takes their "
            "middle, a claim of a leak the least, an upper bound the most they can be.")
    if number > policy.releases:
        warnings.append(
            f"This is audit {number} of the study and {policy.releases} was planned: its level is "
            f"{policy.level(number):.2g} in place of {policy.level(1):.2g}, so that auditing until one passes does not "
            "pay.")
    return warnings


def _leak_reason(found: Finding) -> str:
    return (f"{found.measure.id}: members are told from holdout: estimate {found.estimate.value:.3f}, lower bound "
            f"{found.estimate.low:.3f}, adjusted p {found.adjusted_p:.2g}.")


def _unsettled_reason(found: Finding) -> str:
    return (f"{found.measure.id}: the upper bound {found.estimate.high:.3f} exceeds the tolerance "
            f"{found.tolerance:.2f}, yet no leak is shown; roughly {found.subjects_to_settle} members and as many "
            "holdout subjects would settle it.")


def _pass_reason(test: TestResult) -> str:
    worst = test.worst
    where = f"{test.id}: the highest of {len(test.findings)} (in '{worst.measure.variant}')"
    if worst.tolerance is None:
        return f"{test.id}: no copying shown (adjusted p {worst.adjusted_p:.2g}); that alone proves nothing."
    return f"{where} has the upper bound {worst.estimate.high:.3f}, within the tolerance {worst.tolerance:.2f}."
