"""T6: more members than holdout subjects have a synthetic volume nearer than two people usually are."""

from __future__ import annotations

from typing import Final

import numpy as np

REPLICA_QUANTILE: Final = 0.01
"""T6's threshold: this quantile of the distances from holdout subjects to their nearest member."""


def replica_threshold(holdout_to_members: np.ndarray) -> float:
    """T6: the distance below which a synthetic volume is nearer than two people usually are.

    Args:
        holdout_to_members: each holdout subject's distance to its nearest member, shape (n_h,).
    """
    return float(np.quantile(holdout_to_members, REPLICA_QUANTILE))


def count_replicas(to_release: np.ndarray, threshold: float) -> int:
    """T6: subjects with a synthetic volume strictly nearer than `threshold`."""
    return int(np.sum(to_release < threshold))
