"""The measures of one condition, combined over sites: estimates, p-values, and Holm over those that decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm

from privacy_eval.battery import RATES, Condition, Measure
from privacy_eval.statistics.counts import stratified_difference, stratified_exact_p_value
from privacy_eval.statistics.multiplicity import holm
from privacy_eval.statistics.ranks import Estimate, stratified_auc, stratified_auc_p_value
from privacy_eval.statistics.rates import answerable, holdout_needed
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.policy import AuditPolicy

NULL: Final = {"rank": 0.5, "count": 0.0, "normal": 0.0}
"""Value of an estimate when nothing leaks: an AUC, a difference of rates, a standard normal deviate."""


@dataclass(frozen=True)
class Measurement:
    """One measure on one condition.

    Attributes:
        measure: which.
        estimate: rank: stratified AUC (null .5). count: stratified rate of members minus holdout (null 0). normal:
            the sites' deviates combined by Stouffer's method (null 0).
        p_value: one-sided, of the null that members are treated as holdout.
        adjusted_p: after Holm over the family; equal to p_value for what is reported apart.
    """

    measure: Measure
    estimate: Estimate
    p_value: float
    adjusted_p: float


@dataclass(frozen=True)
class Unanswered:
    """A measure that the number of patients cannot answer, and why."""

    measure: Measure
    why: str


def unanswered(answers: Answers) -> tuple[Unanswered, ...]:
    """Measures of T3 whose false-positive rate so few holdout patients cannot bound."""
    found = []
    for measure in answers.setting.of(("T3",)):
        rate, n = fpr_of(measure), sum(stratum.holdout for stratum in answers.strata(measure))
        if not answerable(n, rate):
            found.append(Unanswered(measure, f"not answerable with n = {n}: a false-positive rate of {rate:.0%} needs "
                                    f"{holdout_needed(rate)} holdout patients in the half that is judged"))
    return tuple(found)


def measure(answers: Answers, condition: Condition, measures: Sequence[Measure],
            confidence: float) -> tuple[Measurement, ...]:
    """Measures of one condition, combined over sites that took part; Holm over all of them."""
    estimates = [estimate(answers, condition, one, confidence) for one in measures]
    p_values = [p_value(answers, condition, one) for one in measures]
    rows = zip(measures, estimates, p_values, holm(p_values), strict=True)
    return tuple(Measurement(*row) for row in rows)


def estimate(answers: Answers, condition: Condition, one: Measure, confidence: float) -> Estimate:
    """Point and bounds of one measure, each bound one-sided at `confidence`."""
    if one.kind == "rank":
        return stratified_auc(answers.ranks(condition, one), confidence)
    if one.kind == "normal":
        z, reach = _stouffer(answers, condition, one), float(norm.ppf(confidence))
        sizes = answers.strata(one)
        return Estimate(z, z - reach, z + reach, confidence, sum(n.members for n in sizes),
                        sum(n.holdout for n in sizes))
    fewest = stratified_difference(answers.pairs(condition, one, "low"), confidence)
    most = stratified_difference(answers.pairs(condition, one, "high"), confidence)
    middle = (fewest.value + most.value) / 2
    return Estimate(middle, fewest.low, most.high, confidence, fewest.n_members, fewest.n_holdout)


def p_value(answers: Answers, condition: Condition, one: Measure) -> float:
    """One-sided p-value of one measure; suppressed counts are read so that it is largest."""
    if one.kind == "rank":
        return stratified_auc_p_value(answers.ranks(condition, one))
    if one.kind == "normal":
        return float(norm.sf(_stouffer(answers, condition, one)))
    return stratified_exact_p_value(answers.pairs(condition, one, "low"))


def families(answers: Answers, policy: AuditPolicy) -> tuple[tuple[Measure, ...], tuple[Measure, ...]]:
    """The measures that decide, and those that are reported apart; what cannot be answered is in neither."""
    silent = {row.measure for row in unanswered(answers)}
    answered = [one for one in answers.setting.measures if one not in silent]
    return (tuple(one for one in answered if policy.decides(one)),
            tuple(one for one in answered if not policy.decides(one)))


def fpr_of(one: Measure) -> float:
    """T3: the false-positive rate of a measure."""
    return next(rate for end, rate in sorted(RATES.items(), reverse=True) if one.variant.endswith(end))


def _stouffer(answers: Answers, condition: Condition, one: Measure) -> float:
    """Σ w z / √Σ w², w = √(n_m n_h / (n_m + n_h)): sites count by their patients."""
    pairs = answers.strata(one)
    weights = np.sqrt([n.members * n.holdout / (n.members + n.holdout) for n in pairs])
    deviates = np.array(answers.deviates(condition, one))
    return float(weights @ deviates / np.linalg.norm(weights))
