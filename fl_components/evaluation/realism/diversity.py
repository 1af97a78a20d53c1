"""Diversity: how alike two subjects of one set are, by MS-SSIM (Wang et al. 2003; Odena et al. 2017 for generators)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean

from fl_components.cohort.subject import Subject
from fl_components.vocabulary import SEQUENCES

WEIGHTS: Final = (0.2, 0.4, 0.4)
"""Exponents of three scales, finest first; a brain of 40 voxels has no more."""
SIGMA: Final = 1.5
RADIUS: Final = 2
"""Of the window, in voxels."""
_C1, _C2 = 0.01**2, 0.03**2


def pair_similarities(subjects: Sequence[Subject], rng: np.random.Generator) -> np.ndarray:
    """(n, 4) mean MS-SSIM of each subject with its two neighbours in a random circle of all.

    1 is the same image. Of subjects that differ no more than others do, it is that of real pairs; of a collapsed
    generator it is near 1.
    """
    n = len(subjects)
    order, sums = rng.permutation(n), np.zeros((n, len(SEQUENCES)))
    for place in range(n):
        pair = [int(order[place]), int(order[(place + 1) % n])]
        first, second = (subjects[k].images.astype(np.float32) for k in pair)
        sums[pair] += [ms_ssim(one, other) for one, other in zip(first, second, strict=True)]
    return sums / 2


def ms_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """MS-SSIM of two (X, Y, Z) volumes in [0, 1]; each halving averages cubes of two voxels.

    MONAI's `MultiScaleSSIMMetric` gives the same with this window and these weights; separable filters are 20 times as
    fast on one core.
    """
    found = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = _ssim_parts(first, second)
        last = scale == len(WEIGHTS) - 1
        value = (luminance * structure).mean() if last else structure.mean()
        found *= max(float(value), 0.0) ** weight
        if not last:
            first, second = (downscale_local_mean(_even(one), (2, 2, 2)) for one in (first, second))
    return found


def _ssim_parts(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and contrast-structure where the window lies within the volume (Wang et al. 2004, equation 13)."""
    def mean(values: np.ndarray) -> np.ndarray:
        smooth = gaussian_filter(values, SIGMA, radius=RADIUS)
        return np.asarray(smooth[RADIUS:-RADIUS, RADIUS:-RADIUS, RADIUS:-RADIUS])

    a, b = mean(first), mean(second)
    variances = mean(first**2) - a**2 + mean(second**2) - b**2
    covariance = mean(first * second) - a * b
    return (2 * a * b + _C1) / (a**2 + b**2 + _C1), (2 * covariance + _C2) / (variances + _C2)


def _even(volume: np.ndarray) -> np.ndarray:
    x, y, z = (length - length % 2 for length in volume.shape)
    return volume[:x, :y, :z]
