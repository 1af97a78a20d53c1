"""A brain as a site's preparation leaves it: stripped of its skull, its box in the grid's middle, averaged over voxels.

Patients' anatomies come from finer scans whose skull a tool has removed (`fl_components.cohort.prepare`). Sampled ones
are drawn on the study's own voxels, so what happens to every patient is done to them here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import SOURCE, Brain
from fl_components.anatomy.field import random_field, separable

FWHM_PER_SIGMA: Final = 2 * np.sqrt(2 * np.log(2))
STRIPPING_MM: Final = 3.0
"""Over how far an extraction tool looks: the surface it finds follows no sulcus narrower than that."""
STRIPPING_ERROR: Final = 0.05
"""Standard deviation of the found surface's error, in shares of the smoothed mask: about 1 mm, as the mean distances of
common tools (Hoopes et al., "SynthStrip: skull-stripping for any brain image", NeuroImage 2022)."""
SHARPEST: Final = 0.3
"""Standard deviation in voxels below which reading between voxels would jump from one to the next."""


def as_prepared(rng: np.random.Generator, brain: Brain, spacing_mm: float) -> Brain:
    """The brain as it would lie on the grid if it had been scanned finely, stripped and prepared.

    Averaging widens the template's voxel to the grid's, as preparation widens a scan's.

    Args:
        rng: source of the extraction's errors.
        brain: on the study's grid, anywhere in it.
        spacing_mm: of the grid.
    """
    found = strip(rng, brain, spacing_mm)
    offset = _box_centre(found.inside) - (np.array(found.inside.shape) - 1) / 2
    maps = np.concatenate([found.tissues, found.inside[None], found.template_mm])
    sigma = max(SHARPEST, float(np.sqrt(max(spacing_mm**2 - SOURCE.spacing_mm**2, 0)) / FWHM_PER_SIGMA / spacing_mm))
    matrices = [_read_at(length, float(shift), sigma) for length, shift in zip(found.inside.shape, offset, strict=True)]
    averaged = separable(maps, matrices)
    return Brain(averaged[:3], averaged[3], averaged[4:])


def strip(rng: np.random.Generator, brain: Brain, spacing_mm: float) -> Brain:
    """The brain within the surface that an extraction tool finds; what it keeps beyond the brain counts as CSF."""
    smooth = ndimage.gaussian_filter(brain.inside, STRIPPING_MM / spacing_mm)
    smooth += STRIPPING_ERROR * random_field(rng, smooth.shape, 10.0 / spacing_mm)
    kept = np.clip(0.5 + 3 * (smooth - 0.5), 0, 1)  # as sharp as the brain's own edge
    tissues = brain.tissues * np.minimum(1, kept / np.maximum(brain.inside, 1e-3))
    tissues[0] += kept - tissues.sum(axis=0)
    return Brain(np.maximum(tissues, 0).astype(np.float32), kept.astype(np.float32), brain.template_mm)


def _box_centre(inside: np.ndarray) -> np.ndarray:
    """(3,) voxel coordinates of the middle of the brain's bounding box, its faces found between voxels."""
    middle = []
    for axis in range(3):
        profile = np.pad(inside.max(axis=tuple(other for other in range(3) if other != axis)), 1)
        first, last = np.flatnonzero(profile > 0.5)[[0, -1]]
        low = first - (profile[first] - 0.5) / (profile[first] - profile[first - 1])
        high = last + (profile[last] - 0.5) / (profile[last] - profile[last + 1])
        middle.append((low + high) / 2 - 1)
    return np.array(middle)


def _read_at(length: int, shift: float, sigma: float) -> np.ndarray:
    """(length, length) weights that read a line at index + shift through a Gaussian; each row sums to 1."""
    index = np.arange(length)
    weights = np.exp(-0.5 * ((index[:, None] + shift - index) / sigma) ** 2) + 1e-30
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
