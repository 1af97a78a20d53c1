"""T3: true-positive rate at a low false-positive rate, with a threshold that was fixed on other patients.

Averages hide individuals: an attack that is right about few patients and silent about all others shows here and not
in an AUC (Carlini et al., S&P 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, log
from typing import Final

import numpy as np
from scipy.optimize import brentq

from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import clopper_pearson

SMALLEST_P: Final = 1e-9
"""Confidences nearer to 1 lose their digits, so no smaller p-value is told."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class RateCounts:
    """What an attack says of the patients that its threshold was not fixed on.

    Attributes:
        true_positives: members above the threshold, of `n_members`.
        n_members: members judged.
        false_positives: holdout patients above the threshold, of `n_holdout`.
        n_holdout: holdout patients judged.
        fpr: the false-positive rate that the threshold was meant for.
    """

    true_positives: int
    n_members: int
    false_positives: int
    n_holdout: int
    fpr: float

    def true_positive_bounds(self, confidence: float = 0.95) -> tuple[float, float]:
        """Clopper-Pearson bounds of the true-positive rate, each one-sided."""
        return clopper_pearson(self.true_positives, self.n_members, confidence)

    def false_positive_bounds(self, confidence: float = 0.95) -> tuple[float, float]:
        """Clopper-Pearson bounds of the false-positive rate, each one-sided."""
        return clopper_pearson(self.false_positives, self.n_holdout, confidence)


def rate_counts(members: np.ndarray, holdout: np.ndarray, fpr: float, rng: np.random.Generator) -> RateCounts:
    """True and false positives on a random half, at a threshold fixed on the other half.

    Half of the members and half of the holdout (rounded down) are set aside; the threshold comes from the holdout
    that was set aside; the others are judged.

    Args:
        members: one score a patient, (n_m,), higher = more like a member.
        holdout: likewise, (n_h,).
        fpr: false-positive rate aimed at, in (0, 1).
        rng: draws the halves.

    Raises:
        InputError: with fewer than two members or two holdout patients.
    """
    for group, scores in {"members": members, "holdout": holdout}.items():
        if len(scores) < 2:
            raise InputError(f"T3: found {len(scores)} {group}; expected at least 2, give more patients or drop T3")
    members, holdout = rng.permutation(members), rng.permutation(holdout)
    aside = len(holdout) // 2
    threshold = conservative_threshold(holdout[:aside], fpr)
    accused, falsely = members[len(members) // 2 :] > threshold, holdout[aside:] > threshold
    return RateCounts(int(accused.sum()), len(accused), int(falsely.sum()), len(falsely), fpr)


def conservative_threshold(holdout: np.ndarray, fpr: float) -> float:
    """The score that a new holdout patient exceeds with probability at most `fpr`.

    The smallest of the k scores x with (number of scores >= x) <= fpr (k + 1), as in conformal prediction: without
    ties the rate is that number / (k + 1) on average. Only scores strictly above the threshold are accused, so ties
    lower the rate. With k < 1/fpr − 1 no score keeps the rate; the highest is taken, the rate is then up to
    1/(k + 1), and `answerable` says that so few patients cannot tell.
    """
    allowed = max(1, floor(fpr * (len(holdout) + 1) + _ROUNDING))
    return float(np.sort(holdout)[-allowed])


def holdout_needed(fpr: float, confidence: float = 0.95) -> int:
    """Holdout patients judged with which none seen bounds the rate by `fpr`: 29 for 10 %, 299 for 1 %."""
    return ceil(log(1 - confidence) / log(1 - fpr) - _ROUNDING)


def answerable(n_holdout: int, fpr: float, confidence: float = 0.95) -> bool:
    """Whether `n_holdout` patients judged could show a false-positive rate of at most `fpr`."""
    return n_holdout >= holdout_needed(fpr, confidence)


def separation_p_value(counts: RateCounts) -> float:
    """The smallest alpha at which LB(TPR) at alpha/2 exceeds UB(FPR) at alpha/2; 1 if there is none.

    Valid under "members are accused no more often than holdout": one of two exact bounds must then be wrong, each
    with probability alpha/2. Conservative, as the bounds share the error evenly and the counts are discrete. Never
    below `SMALLEST_P`.
    """

    def overlap(log_alpha: float) -> float:
        confidence = 1 - exp(log_alpha) / 2
        return counts.false_positive_bounds(confidence)[1] - counts.true_positive_bounds(confidence)[0]

    if overlap(0.0) >= 0:
        return 1.0
    if overlap(log(SMALLEST_P)) < 0:
        return SMALLEST_P
    return min(1.0, exp(float(brentq(overlap, log(SMALLEST_P), 0.0, xtol=1e-12))))
