"""T3: true-positive rate at a low false-positive rate, with a threshold that was fixed on other patients.

Averages hide individuals: an attack that is right about few patients and silent about all others shows here and not
in an AUC (Carlini et al., S&P 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import clopper_pearson

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
    """True and false positives at a threshold fixed on a random half of the holdout.

    That half (rounded down) is set aside; the other half and all members are judged. No member and no holdout patient
    who is judged has a part in the threshold, so that under the null all of them are accused alike.

    Args:
        members: one score a patient, (n_m,), higher = more like a member.
        holdout: likewise, (n_h,).
        fpr: false-positive rate aimed at, in (0, 1).
        rng: draws the half.

    Raises:
        InputError: with no member or fewer than two holdout patients.
    """
    for group, scores, least in (("members", members, 1), ("holdout", holdout, 2)):
        if len(scores) < least:
            raise InputError(f"T3: found {len(scores)} {group}; expected at least {least}, give more patients or drop "
                             "T3")
    holdout = rng.permutation(holdout)
    aside = len(holdout) // 2
    threshold = conservative_threshold(holdout[:aside], fpr)
    accused, falsely = members > threshold, holdout[aside:] > threshold
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
