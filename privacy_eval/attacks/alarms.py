"""T8: three measures of similarity that are often reported, as differences from what the holdout gives.

Alarms only: failing informs, passing proves nothing (Yao et al. 2025, arXiv 2505.01524; Ganev & De Cristofaro 2023,
arXiv 2312.05114). None has a known null, so each comes with a p-value from permuted labels. Matrices are of the real
images, members M and holdout H in one order, against the release S.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from privacy_eval.statistics.permutation import DRAWS, permutation_test


@dataclass(frozen=True)
class Alarm:
    """A difference that is about 0 without a leak (`dcr`: about n_m/(n_m + n_h)), and its one-sided p-value."""

    value: float
    p_value: float


@dataclass(frozen=True)
class Alarms:
    """T8.

    Attributes:
        nnaa: AA(H, S) − AA(M, S).
        dcr: share of synthetic images nearer to M than to H.
        authenticity: unauthentic share against M minus that against H.
    """

    nnaa: Alarm
    dcr: Alarm
    authenticity: Alarm


def alarms(
    synthetic_to_real: np.ndarray,
    real_to_real: np.ndarray,
    synthetic_to_synthetic: np.ndarray,
    is_member: np.ndarray,
    owners: np.ndarray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Alarms:
    """T8 of one site.

    Args:
        synthetic_to_real: distances, (m, n).
        real_to_real: distances, (n, n); those within one patient are not looked at.
        synthetic_to_synthetic: each synthetic image's distance to its nearest other one, (m,).
        is_member: each real row's label, (n,) bool; at least two patients of either.
        owners: each real row's patient, (n,): the rows of one patient move together.
        rng: draws the assignments.
        draws: how many.
    """
    to_synthetic = np.ascontiguousarray(synthetic_to_real.T)
    to_others = between_patients(real_to_real, owners)

    def statistics(members: np.ndarray) -> np.ndarray:
        real = _Side(to_synthetic, to_others, members), _Side(to_synthetic, to_others, ~members)
        near_members, near_holdout = (side.from_synthetic for side in real)
        accuracy = [side.adversarial_accuracy(synthetic_to_synthetic) for side in real]
        unauthentic = [side.unauthentic for side in real]
        return np.array(
            [accuracy[1] - accuracy[0], np.mean(near_members < near_holdout), unauthentic[0] - unauthentic[1]]
        )

    values, p_values = permutation_test(statistics, is_member, owners, rng, draws)
    return Alarms(*(Alarm(float(value), float(p)) for value, p in zip(values, p_values, strict=True)))


def between_patients(real_to_real: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The distances (n, n) with those within one patient infinite: a patient is not its own neighbour."""
    return np.where(owners[:, None] == owners[None], np.inf, real_to_real)


def adversarial_accuracy(
    synthetic_to_real: np.ndarray, real_to_others: np.ndarray, synthetic_to_synthetic: np.ndarray
) -> float:
    """AA(A, S) = ½ (P[d_AS > d_AA] + P[d_SA > d_SS]), d_AA without the patient itself (Yale et al., ESANN 2019).

    .5 where A and S cannot be told apart, 0 where each is the other's copy, 1 where they lie apart.

    Args:
        synthetic_to_real: distances from S to A, (m, n).
        real_to_others: distances within A as `between_patients` gives them, (n, n).
        synthetic_to_synthetic: d_SS, each synthetic image's distance to its nearest other one, (m,).
    """
    everyone = np.ones(len(real_to_others), bool)
    return _Side(synthetic_to_real.T, real_to_others, everyone).adversarial_accuracy(synthetic_to_synthetic)


def unauthentic_share(synthetic_to_real: np.ndarray, real_to_others: np.ndarray) -> float:
    """Share of s with d(s, r) < d(r, nearest other real), r the real image nearest to s (Alaa et al., ICML 2022).

    Not 0 for fresh people: about one half. Shapes as in `adversarial_accuracy`.
    """
    return _Side(synthetic_to_real.T, real_to_others, np.ones(len(real_to_others), bool)).unauthentic


class _Side:
    """One group of real images against the release: its rows of (n, m) and (n, n) distances."""

    def __init__(self, to_synthetic: np.ndarray, to_others: np.ndarray, rows: np.ndarray) -> None:
        self._to_synthetic = to_synthetic[rows]
        self._to_other = to_others[rows][:, rows].min(axis=0)
        self._nearest = self._to_synthetic.argmin(axis=0)
        self.from_synthetic = np.take_along_axis(self._to_synthetic, self._nearest[None], axis=0)[0]

    def adversarial_accuracy(self, synthetic_to_synthetic: np.ndarray) -> float:
        real_apart = np.mean(self._to_synthetic.min(axis=1) > self._to_other)
        synthetic_apart = np.mean(self.from_synthetic > synthetic_to_synthetic)
        return float(real_apart + synthetic_apart) / 2

    @property
    def unauthentic(self) -> float:
        return float(np.mean(self.from_synthetic < self._to_other[self._nearest]))
