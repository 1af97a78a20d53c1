"""For studies that claim an ε: a site's AUC with noise of its own, so that the audit too is accounted for.

What leaves is 2U + noise, U the site's Mann-Whitney statistic: an integer plus discrete Laplace noise, drawn exactly
from the operating system's randomness. No floating-point number takes part before the noise is on, so the gaps
between floating-point numbers tell nothing (Mironov, CCS 2012). No seed exists, so nobody can take the noise off.
The time a draw takes is not hidden.

Adjacency. The noise hides *whose data* a subject contributed: replace one member by another person, or one holdout
subject, and the answer's distribution changes by at most e^ε. The numbers n_m and n_h are public and unchanged by
that: whether a hospital has 57 members or 58 is not hidden. A training ε is often stated for adding or removing one
subject, which hides n too; the two are not the same claim. Replacing is removing and adding: what is ε-DP for
add/remove is 2ε-DP for replacing, and nothing follows in the other direction. Sum both only in one adjacency.

It holds for scores in which a subject's score depends on that subject, the release and public data alone. A score
fitted on other members or holdout subjects (the blind classifier of V0, a density of the members, a threshold from
their distances) moves many ranks when one subject is replaced, and must not leave this way.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from privacy_eval.errors import InputError
from privacy_eval.statistics.ranks import UStatistic

MOST_STATISTICS: Final = 3
"""Statistics of one audit that may leave with noise: each one more costs every subject it touched."""


@dataclass(frozen=True)
class NoisedAuc:
    """An AUC that may leave a site.

    Attributes:
        doubled_u: 2U + noise, an integer; below 0 or above 2 n_m n_h where the noise took it.
        n_members: public.
        n_holdout: public.
        epsilon: what it cost every member and holdout subject, replacing one; > 0.
    """

    doubled_u: int
    n_members: int
    n_holdout: int
    epsilon: float

    @property
    def auc(self) -> float:
        """Unbiased, so not clipped: it can lie outside [0, 1]."""
        return self.doubled_u / (2 * self.n_members * self.n_holdout)

    @property
    def decay(self) -> float:
        """a of the noise's distribution on 2U, P[k] ∝ exp(−a |k|)."""
        return self.epsilon / _sensitivity(self.n_members, self.n_holdout)

    @property
    def noise_variance(self) -> float:
        """Variance of the noise alone in units of AUC², to be added to the sampling variance."""
        return auc_noise_variance(self.n_members, self.n_holdout, self.epsilon)


def noised_auc(statistic: UStatistic, epsilon: float) -> NoisedAuc:
    """A site's AUC with discrete Laplace noise: ε-DP for replacing one subject, n_m and n_h public.

    Replacing a member changes 2U by at most 2 n_h, a holdout subject by at most 2 n_m, so 2U has the sensitivity
    2 max(n_m, n_h) and the AUC 1/min(n_m, n_h). The noise has P[k] ∝ exp(−|k| ε / sensitivity).

    Args:
        statistic: of one score a subject.
        epsilon: > 0.

    Raises:
        InputError: epsilon is not a positive number.
    """
    doubled = round(2 * statistic.u)  # exact: U is a multiple of ½
    if doubled != 2 * statistic.u:
        raise ValueError(f"Expected u={statistic.u} to be a multiple of ½.")
    scale = _sensitivity(statistic.n_members, statistic.n_holdout) / _exact(epsilon)
    return NoisedAuc(doubled + discrete_laplace(scale), statistic.n_members, statistic.n_holdout, epsilon)


def auc_noise_variance(n_members: int, n_holdout: int, epsilon: float) -> float:
    """Variance of `noised_auc`'s noise in units of AUC²; about 2 / (ε min(n_m, n_h))².

    2q / (1 − q)² at q = exp(−ε / sensitivity), divided by (2 n_m n_h)². An interval of the AUC takes the root of
    this plus the squared standard error of sampling.
    """
    decay = float(_exact(epsilon)) / _sensitivity(n_members, n_holdout)
    variance = 2 * math.exp(-decay) / math.expm1(-decay) ** 2
    return variance / (2 * n_members * n_holdout) ** 2


def total_epsilon(epsilons: Mapping[str, float]) -> float:
    """What a subject paid that every statistic touched, holdout included: the sum (basic composition).

    Args:
        epsilons: of each statistic that left, by name; at most `MOST_STATISTICS`, fixed before the audit.

    Raises:
        InputError: more statistics, or an epsilon that is not a positive number.
    """
    if len(epsilons) > MOST_STATISTICS:
        raise InputError(
            f"Noised statistics: found {len(epsilons)} ({', '.join(epsilons)}), expected at most {MOST_STATISTICS}; "
            "keep the others in the site's own edition."
        )
    return float(sum(_exact(epsilon) for epsilon in epsilons.values()))


def discrete_laplace(scale: Fraction) -> int:
    """An integer k with P[k] ∝ exp(−|k| / scale), exactly (Canonne, Kamath, Steinke 2020, 2004.00010, algorithm 2).

    Args:
        scale: > 0, about the mean of |k|.
    """
    while True:
        size = _geometric(scale)
        negative = bool(secrets.randbits(1))
        if size or not negative:  # 0 has one sign only
            return -size if negative else size


def _geometric(scale: Fraction) -> int:
    """k ≥ 0 with P[k] ∝ exp(−k / scale): a remainder below the numerator, then whole numerators, then the division."""
    while True:
        remainder = secrets.randbelow(scale.numerator)
        if _happens_with_exp_minus(Fraction(remainder, scale.numerator)):
            break
    wholes = 0
    while _happens_with_exp_minus(Fraction(1)):
        wholes += 1
    return (remainder + scale.numerator * wholes) // scale.denominator


def _happens_with_exp_minus(rate: Fraction) -> bool:
    """True with probability exp(−rate), rate in [0, 1]: of chances rate/1, rate/2, … the first miss is an odd one."""
    tries = 1
    while secrets.randbelow(rate.denominator * tries) < rate.numerator:
        tries += 1
    return tries % 2 == 1


def _sensitivity(n_members: int, n_holdout: int) -> int:
    """Of 2U when one subject is replaced."""
    return 2 * max(n_members, n_holdout)


def _exact(epsilon: float) -> Fraction:
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise InputError(f"epsilon of a noised statistic: found {epsilon}, expected a number above 0; set one.")
    return Fraction(epsilon)
