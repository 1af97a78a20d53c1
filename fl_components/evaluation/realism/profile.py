"""Intensity profiles across the tumour's outer boundary: does it look laid on top?"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.vocabulary import BACKGROUND, SEQUENCES, TUMOUR

REACH_MM: Final = 16.0
STEP_MM: Final = 2.0
_LEAST_VOXELS: Final = 8


def signed_distance(labels: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(X, Y, Z) mm to the whole tumour's outer boundary: below 0 inside, above 0 outside; inf without a tumour."""
    tumour = np.isin(labels, TUMOUR)
    if not tumour.any():
        return np.full(labels.shape, np.inf)
    inside = ndimage.distance_transform_edt(tumour, spacing_mm) - spacing_mm / 2
    outside = ndimage.distance_transform_edt(~tumour, spacing_mm) - spacing_mm / 2
    return np.where(tumour, -inside, outside)


def distances_mm(spacing_mm: float) -> np.ndarray:
    """Middles of the profile's bins: as wide as a voxel, or `STEP_MM` where voxels are smaller."""
    width = max(STEP_MM, spacing_mm)
    return (np.arange(-(half := int(REACH_MM // width)), half) + 0.5) * width


def boundary_profile(images: np.ndarray, labels: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(4, D) mean intensity of the brain by signed distance, in units of the tissue far from the tumour.

    Each sequence is shifted and scaled by mean and SD of the brain beyond `REACH_MM`, so that scanners do not count.
    nan where fewer than eight voxels lie at a distance, and everywhere without a tumour.

    Args:
        images: (4, X, Y, Z) in [0, 1].
        labels: (X, Y, Z) anatomy.
        spacing_mm: of the isotropic grid.
    """
    middles = distances_mm(spacing_mm)
    width = max(STEP_MM, spacing_mm)
    distance, brain = signed_distance(labels, spacing_mm), labels != BACKGROUND
    far = images[:, brain & (distance > REACH_MM)]
    found = np.full((len(SEQUENCES), len(middles)), np.nan)
    if not np.isfinite(distance).all() or far.shape[1] < _LEAST_VOXELS:
        return found
    spread = np.maximum(far.std(axis=1), 1e-6)
    bins = np.floor((distance[brain] - (middles[0] - width / 2)) / width).astype(int)
    values = (images[:, brain] - far.mean(axis=1)[:, None]) / spread[:, None]
    for k in range(len(middles)):
        if np.count_nonzero(bins == k) >= _LEAST_VOXELS:
            found[:, k] = values[:, bins == k].mean(axis=1)
    return found


def profile_difference(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """(4,) mean over distances of |difference of the mean profiles| in units of the SD over real subjects.

    Args:
        real: (n, 4, D) from `boundary_profile`.
        synthetic: (m, 4, D).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = (np.isfinite(real).sum(axis=0) >= 3) & (np.isfinite(synthetic).sum(axis=0) >= 3)
        spread = np.sqrt(_mean((real - _mean(real)) ** 2))
        found = np.where(known, np.abs(_mean(synthetic) - _mean(real)) / np.maximum(spread, 1e-6), np.nan)
        return _mean(found.T)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis without nans; nan where there is nothing else, and no warning of it."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=0) / known.sum(axis=0))
