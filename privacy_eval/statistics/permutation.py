"""p-values where no null distribution is known: members and holdout change places, patient by patient.

Under a random split every assignment of the labels to the patients was as likely as the one that happened, so the
p-value is exact for any statistic, any number of synthetic images and any correlation between a patient's images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

DRAWS: Final = 999
"""Drawn assignments; with the observed one a thousand, so that the smallest p-value is .001."""

_TIE: Final = 1e-9
"""Sums in another order differ in their last digits: what differs by less, relatively, counts as equal."""


def permuted_labels(is_member: np.ndarray, owners: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Random assignments with as many member patients as observed; the rows of one patient move together.

    Args:
        is_member: label of each row, (n,) bool.
        owners: each row's patient, (n,) integers.
        draws: how many assignments.
        rng: draws them.

    Returns:
        (draws, n) bool.

    Raises:
        ValueError: if a patient has rows with either label.
    """
    patients, first, index = np.unique(owners, return_index=True, return_inverse=True)
    labels = np.asarray(is_member, bool)[first]
    if not np.array_equal(labels[index], is_member):
        raise ValueError("Expected one label a patient; found patients that are both members and holdout.")
    return rng.permuted(np.broadcast_to(labels, (draws, len(patients))), axis=1)[:, index]


def permutation_p_values(observed: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(1 + #{drawn >= observed}) / (1 + B): one-sided, exact or conservative (Phipson & Smyth 2010).

    Args:
        observed: one or more statistics, higher = more like a leak, shape (k,).
        drawn: the same statistics under B drawn assignments, shape (B, k).

    Returns:
        In [1 / (1 + B), 1], shape (k,).
    """
    least = observed - _TIE * np.maximum(1, np.abs(observed))
    return np.asarray((1 + np.sum(drawn >= least, axis=0)) / (1 + len(drawn)))


def permutation_test(
    statistics: Callable[[np.ndarray], np.ndarray],
    is_member: np.ndarray,
    owners: np.ndarray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics as observed, and their p-values.

    Args:
        statistics: from the labels of the rows, (n,) bool, to k statistics, higher = more like a leak.
        is_member: as observed, (n,) bool.
        owners: each row's patient, (n,).
        rng: draws the assignments.
        draws: how many.

    Returns:
        Both of shape (k,).
    """
    observed = np.asarray(statistics(np.asarray(is_member, bool)), float)
    drawn = np.array([statistics(labels) for labels in permuted_labels(is_member, owners, draws, rng)])
    return observed, permutation_p_values(observed, drawn)
