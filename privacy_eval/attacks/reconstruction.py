"""T4: a member is reconstructed better by the generator than a holdout subject, allowing for how hard each is."""

from __future__ import annotations

import numpy as np


def reconstruction_scores(reconstruction: np.ndarray, predictability: np.ndarray) -> np.ndarray:
    """T4: predictability error − reconstruction error (Shafran, Peleg, Hoshen 2021, arXiv 2102.07762).

    Args:
        reconstruction: mean |G(anatomy, contrast) − y| of each subject, shape (n,).
        predictability: the same error of a lookup table that knows no subject: how hard y is for anyone.
    """
    return predictability - reconstruction
