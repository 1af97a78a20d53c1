"""From the sites' noised statistics to a verdict, in a study that claims an ε.

The server knows numbers of patients and at most three noised AUCs a site. It decides as `verdict.combine` does, with
the noise in every bound, p-value and power. Controls and V0 would cost budget as well, so each site judges them by
itself, in its own edition, and the verdict is never VOID here: a site whose own audit is void says so, or it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from privacy_eval.battery import Measure
from privacy_eval.errors import InputError
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.statistics.multiplicity import holm
from privacy_eval.statistics.noised import NoisedAverage
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.combine import attackers_of
from privacy_eval.verdict.decision import CONVENTIONAL_POWER, Finding, TestResult
from privacy_eval.verdict.policy import AuditPolicy, Verdict
from privacy_eval.verdict.reasons import judge, weak_reasons

UNTOLD: Final = ("Whether the planted leak was seen, the innocent release spared and the split random (V1, V0) is "
                 "judged inside each site, in its own edition, and not told: telling would cost budget. This verdict "
                 "takes it for granted. A site whose own edition is void should not sign; that it does not is one more "
                 "statement about its patients, which ε does not cover.")


@dataclass(frozen=True)
class PrivateAuditResult:
    """The verdict with all it rests on.

    Attributes:
        verdict: never VOID, see above.
        policy: what it was judged by.
        level: of this audit, after the study's earlier ones.
        audit_number: which audit of the study this is, counted from 1.
        epsilon: what each site's answer cost each of its members and holdout patients, all statistics together.
        sites: the sites' answers, abstentions included.
        tests: the family, one measure a test.
        attackers: the gravest decision of each attacker's measures.
        reasons: why this verdict, one sentence each.
        warnings: what a reader must know besides, one sentence each.
    """

    verdict: Verdict
    policy: AuditPolicy
    level: float
    audit_number: int
    epsilon: float
    sites: tuple[PrivateStatistics, ...]
    tests: tuple[TestResult, ...]
    attackers: Mapping[str, Verdict]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def combine_private(sites: Sequence[PrivateStatistics], policy: AuditPolicy,
                    weaknesses: Sequence[str] = ()) -> PrivateAuditResult:
    """Combine the sites' noised statistics, stratified by site, into the verdict.

    Args:
        sites: every site's answer.
        policy: the study's.
        weaknesses: the caller's reasons why this audit cannot support a pass, one sentence each.

    Raises:
        InputError: if no site took part, or two have one name.
    """
    names = [site.site for site in sites]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"audit: site '{twice[0]}' answered twice; expected one answer a site")
    present = [site for site in sites if not site.abstained]
    if not present:
        raise InputError(f"audit: none of {len(sites)} sites took part; expected at least one with enough patients")
    number = max(site.audit_number for site in present)
    level, family = policy.level(number), policy.private_family
    averages = [NoisedAverage(tuple(site.statistics[one.id] for site in present)) for one in family]
    adjusted = holm([average.p_value() for average in averages])
    tests = tuple(TestResult(one.test, (_decide(one, average, p, policy, level, len(family)),))
                  for one, average, p in zip(family, averages, adjusted, strict=True))
    verdict, reasons = judge(tests, (), (), [*weaknesses, *weak_reasons(sites, ())])
    warnings = [UNTOLD, *_warnings(number, policy)]
    epsilon = max(site.epsilon for site in present)
    return PrivateAuditResult(verdict, policy, level, number, epsilon, tuple(sites), tests, attackers_of(tests),
                              tuple(reasons), tuple(warnings))


def _decide(one: Measure, average: NoisedAverage, adjusted_p: float, policy: AuditPolicy, level: float,
            n_measures: int) -> Finding:
    """One measure: its bounds at the audit's level, its power at the first step of Holm's method."""
    estimate, alpha, tolerance = average.estimate(1 - level), level / n_measures, policy.tolerance_auc
    if adjusted_p <= level:
        decision, settle = Verdict.LEAK, None
    elif estimate.high <= tolerance:
        decision, settle = Verdict.NO_LEAK_FOUND, None
    else:
        decision, settle = Verdict.INCONCLUSIVE, _to_settle(estimate, average.reach(alpha, 0.5), tolerance)
    return Finding(one, estimate, average.p_value(), adjusted_p, tolerance, average.power(tolerance, alpha),
                   average.minimum_detectable(alpha, CONVENTIONAL_POWER), decision, settle)


def _to_settle(estimate: Estimate, critical: float, tolerance: float) -> int:
    """As `decision.subjects_to_settle`, by the 1/√n law; noise shrinks as 1/n, so that fewer may do.

    An estimate below .5 is the noise's doing and promises nothing: it is taken as .5.
    """
    n, value = max(estimate.n_members, estimate.n_holdout), max(estimate.value, 0.5)
    short = (estimate.high - estimate.value) / (tolerance - value) if value < tolerance else critical / (value - 0.5)
    return ceil(n * max(1.0, short) ** 2)


def _warnings(number: int, policy: AuditPolicy) -> list[str]:
    if number <= policy.releases:
        return []
    return [f"This is audit {number} of the study and {policy.releases} was planned: its level is "
            f"{policy.level(number):.2g} in place of {policy.level(1):.2g}, and each audit was charged anew."]
