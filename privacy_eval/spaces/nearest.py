"""Nearest distances between sets of vectors, in chunks of bounded memory."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from privacy_eval.errors import InputError


def nearest_distance(queries: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Euclidean distance from each query (n, features) to its nearest target (m, features), shape (n,).

    Computed in chunks of bounded memory.

    Raises:
        InputError: if there is no target.
    """
    if len(targets) == 0:
        raise InputError("nearest distance: no target volume; expected at least one")
    _, distances = pairwise_distances_argmin_min(queries, targets)
    return np.asarray(distances, np.float64)
