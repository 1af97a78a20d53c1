"""T3 and T11 in the terms of other disciplines: what an attacker may believe, and the residual risk.

A translation only, never a pass mark: a probability of re-identification needs a prior, and the prior is the reader's.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final, Literal

from privacy_eval.attacks.attributes import residual_risk
from privacy_eval.battery import Measure
from privacy_eval.statistics.counts import CountPair
from privacy_eval.statistics.rates import RateCounts
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.family import fpr_of

THRESHOLD: Final = 0.09
"""EMA Policy 0070 and Health Canada: the highest probability of re-identification."""

PEOPLE: Final = (20, 100, 1000, 10_000)
"""N of the priors 1/N that are printed."""


def posterior(ratio: float, people: int) -> float:
    """Belief in membership after an accusation: odds = TPR/FPR × prior odds, the prior being 1/people (> 1)."""
    odds = ratio / (people - 1)
    return odds / (1 + odds)


def translate(answers: Answers, measure: Measure, level: float) -> dict[str, Any]:
    """What an accusation by one measure of T3 may at most be worth.

    Args:
        answers: of the sites that took part.
        measure: of T3, answerable.
        level: of the audit; each of the two rates' bounds takes half of it.

    Returns:
        `tpr_high`, `fpr_low` and their `ratio_high` (None where no false positive was seen: nothing bounds it), the
        highest `posterior` by number of people, and `people_for_threshold`, from how many on it is within .09.
    """
    counts, fpr = _pooled(answers, measure, "high"), fpr_of(measure)
    rates = RateCounts(counts.members, counts.n_members, counts.holdout, counts.n_holdout, fpr)
    high, low = rates.true_positive_bounds(1 - level / 2)[1], rates.false_positive_bounds(1 - level / 2)[0]
    ratio = high / low if low > 0 else None
    return {
        "id": measure.id, "fpr": fpr, "n_members": counts.n_members, "n_holdout": counts.n_holdout,
        "tpr_high": high, "fpr_low": low, "ratio_high": ratio,
        "posterior": [{"people": people, "high": 1.0 if ratio is None else posterior(ratio, people)}
                      for people in PEOPLE],
        "people_for_threshold": None if ratio is None else max(2, ceil(1 + ratio * (1 - THRESHOLD) / THRESHOLD)),
    }


def residual(answers: Answers, measure: Measure, level: float) -> dict[str, Any]:
    """Residual risk (main − control)/(1 − control) of one attribute of T11, over all sites together.

    Suppressed counts are read as least for the lower bound, as most for the upper, their middle for the estimate.
    """
    least = residual_risk(_pooled(answers, measure, "low"), 1 - level)
    most = residual_risk(_pooled(answers, measure, "high"), 1 - level)
    return {
        "id": measure.id, "n_members": least.risk.n_members, "n_holdout": least.risk.n_holdout,
        "estimate": (least.risk.value + most.risk.value) / 2, "low": least.risk.low, "high": most.risk.high,
        "main": (least.main + most.main) / 2, "control": (least.control + most.control) / 2,
        "no_better_than_on_strangers": least.main + most.main <= least.control + most.control,
    }


def _pooled(answers: Answers, measure: Measure, favour: Literal["low", "high"]) -> CountPair:
    pairs = answers.pairs("release", measure, favour)
    return CountPair(*(sum(getattr(pair, name) for pair in pairs)
                       for name in ("members", "n_members", "holdout", "n_holdout")))
