"""How far intensities of each tissue are distributed as real ones: Wasserstein's distance, in units of intensity."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import wasserstein_distance

from fl_components.contrast import MINIMUM_VOXELS
from fl_components.vocabulary import N_LABELS, SEQUENCES

BINS: Final = 64
_CENTRES: Final = (np.arange(BINS) + 0.5) / BINS


def tissue_histograms(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(4 sequences, 6 tissues, BINS) shares of a tissue's voxels by intensity; zeros where a tissue is absent.

    Args:
        images: (4, X, Y, Z) in [0, 1].
        labels: (X, Y, Z) anatomy.
    """
    shares = np.zeros((len(SEQUENCES), N_LABELS - 1, BINS), np.float32)
    for tissue in range(1, N_LABELS):
        voxels = images[:, labels == tissue]
        if voxels.shape[1] >= MINIMUM_VOXELS:
            shares[:, tissue - 1] = [np.histogram(one, BINS, (0, 1))[0] / one.size for one in voxels]
    return shares


def histogram_distance(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """(4,) mean over tissues of the 1-Wasserstein distance between the mean histograms of two sets.

    Every subject weighs the same, however large its tumour. nan if there is no tissue that both sets have.

    Args:
        real: (n, 4, 6, BINS) from `tissue_histograms`.
        synthetic: (m, 4, 6, BINS).
    """
    both = (real.sum(axis=(0, 1, 3)) > 0) & (synthetic.sum(axis=(0, 1, 3)) > 0)
    first, second = real.sum(axis=0, dtype=np.float64), synthetic.sum(axis=0, dtype=np.float64)
    distances = [[wasserstein_distance(_CENTRES, _CENTRES, first[k, tissue], second[k, tissue])
                  for tissue in np.flatnonzero(both)] for k in range(len(SEQUENCES))]
    return np.mean(distances, axis=1) if both.any() else np.full(len(SEQUENCES), np.nan)
