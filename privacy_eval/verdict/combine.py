"""From the sites' statistics to one of four verdicts.

A synthetic image that is bit-identical to a real one is a LEAK whatever else was found. VOID if the blind baseline or
a control says that the audit cannot be believed; else LEAK if Holm rejects any measure; NO LEAK FOUND AT THE STATED
POWER only if every upper bound is within its tolerance and nothing weakens the audit; else INCONCLUSIVE. What weakens
an audit (few patients, an abstention, a control of low power) caps a pass; a leak that was found stays one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from privacy_eval.attacks.blind import BLIND_INFLATION
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.statistics.ranks import Estimate, stratified_auc
from privacy_eval.verdict.answers import Answers, Totals
from privacy_eval.verdict.controls import Control, Outcome, negative_control, positive_control
from privacy_eval.verdict.decision import TestResult, decide
from privacy_eval.verdict.family import Measurement, Unanswered, families, measure, unanswered
from privacy_eval.verdict.policy import AuditPolicy, Verdict
from privacy_eval.verdict.reasons import judge, uneven_reasons, void_reasons, warnings_of, weak_reasons


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
        level: of this audit, after the study's earlier ones.
        audit_number: which audit of the study this is, counted from 1.
        sites: the sites' answers, abstentions included.
        answers: of those that took part, with the counts.
        tests: the family on the release.
        apart: measures that are reported and do not decide: T8's alarms, T9's few, tests of other attackers.
        unanswered: measures that so few patients cannot answer.
        attackers: the gravest decision of each attacker's measures in the family.
        positive, negative: the controls of this run.
        validity: the blind baseline.
        reasons: why this verdict, one sentence each.
        warnings: what a reader must know besides, one sentence each.
    """

    verdict: Verdict
    policy: AuditPolicy
    level: float
    audit_number: int
    sites: tuple[SiteStatistics, ...]
    answers: Answers
    tests: tuple[TestResult, ...]
    apart: tuple[Measurement, ...]
    unanswered: tuple[Unanswered, ...]
    attackers: Mapping[str, Verdict]
    positive: Control
    negative: Control
    validity: BlindBaseline
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def combine(sites: Sequence[SiteStatistics], policy: AuditPolicy, copies: Sequence[str] = (),
            weaknesses: Sequence[str] = (), totals: Totals | None = None) -> AuditResult:
    """Combine the sites' statistics, stratified by site, into the verdict.

    Args:
        sites: every site's answer.
        policy: the study's.
        copies: one sentence for each synthetic image found bit-identical to a real one, by who holds both.
        weaknesses: the caller's reasons why this audit cannot support a pass, one sentence each.
        totals: the counts summed over sites, where the sites' setting says that they are.

    Raises:
        InputError: if no site took part, two have one name, or they answered different measures.
    """
    answers = Answers.of(sites, totals)
    rng = np.random.default_rng(policy.simulation_seed)
    number = max(site.audit_number for site in answers.sites)
    level = policy.level(number)
    family, others = families(answers, policy)
    tests = decide(answers, family, policy, level, rng)
    apart = tuple(_alone(row) for row in measure(answers, "release", others, 1 - level))
    positive = positive_control(answers, family, policy, level, rng)
    negative = negative_control(answers, family, policy, level)
    blind = BlindBaseline(stratified_auc([site.blind for site in answers.sites], 1 - policy.alpha, BLIND_INFLATION))
    weak = [*weaknesses, *weak_reasons(sites, positive.underpowered), *uneven_reasons(answers)]
    void = void_reasons(blind.estimate, [t for t in positive.wrong if t not in positive.underpowered], negative.wrong)
    verdict, reasons = judge(tests, copies, void, weak)
    silent = unanswered(answers)
    warnings = warnings_of(answers, family, apart, silent, number, policy)
    warnings += [sentence for sentence in [*copies, *void, *weak] if sentence not in reasons]
    return AuditResult(verdict, policy, level, number, tuple(sites), answers, tests, apart, silent, attackers_of(tests),
                       positive, negative, blind, tuple(reasons), tuple(warnings))


def _alone(row: Measurement) -> Measurement:
    """A measurement that is in no family: its p-value stands for itself."""
    return Measurement(row.measure, row.estimate, row.p_value, row.p_value)


def attackers_of(tests: Sequence[TestResult]) -> dict[str, Verdict]:
    """The gravest decision of each attacker's measures."""
    worst: dict[str, Verdict] = {}
    order = (Verdict.NO_LEAK_FOUND, Verdict.INCONCLUSIVE, Verdict.LEAK)
    for found in sorted((found for test in tests for found in test.findings),
                        key=lambda found: (found.measure.attacker, order.index(found.decision))):
        worst[found.measure.attacker] = found.decision
    return worst
