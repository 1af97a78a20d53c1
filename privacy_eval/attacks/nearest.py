"""T1 and T2: a member lies nearer to its nearest synthetic volume than a holdout subject does."""

from __future__ import annotations

import numpy as np


def nearest_release_scores(to_release: np.ndarray) -> np.ndarray:
    """T1: −min_s d(x, s); GAN-Leaks, full black box (Chen et al. 2020, arXiv 1909.03935).

    Args:
        to_release: each subject's distance to its nearest synthetic volume, shape (n,).
    """
    return -to_release


def calibrated_scores(to_release: np.ndarray, to_reference: np.ndarray) -> np.ndarray:
    """T2: −(min_s d(x, s) − min_r d(x, r)), calibrated GAN-Leaks (arXiv 1909.03935).

    Args:
        to_release: as in T1.
        to_reference: distance to the nearest public subject, shape (n,); never to the holdout.
    """
    return to_reference - to_release
