"""A brain as a site's preparation leaves it: within the surface that an extraction tool finds, averaged over voxels.

Patients' anatomies come from finer scans whose skull a tool has removed (`fl_components.cohort.prepare`). Sampled ones
are drawn on the study's own voxels, so what happens to every patient is done to them here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import Brain
from fl_components.anatomy.field import random_field

STRIPPING_MM: Final = 3.0
"""Over how far an extraction tool looks: the surface it finds follows no sulcus narrower than that."""
STRIPPING_LOSS: Final = 0.03
"""How far inside the brain's the found surface lies, in shares of the smoothed mask: half a millimetre."""
STRIPPING_ERROR: Final = 0.1
"""Standard deviation of the found surface's error in the same shares: one to two millimetres, as the mean distances of
common tools (Hoopes et al., "SynthStrip: skull-stripping for any brain image", NeuroImage 2022)."""
VOXEL_VARIANCE: Final = 1 / (8 * np.log(2))
"""In voxels², of a Gaussian whose full width at half maximum is a voxel: what a voxel averages over. Whatever blur the
template has is gone by then, since folding makes its tissues sharp again."""


def as_prepared(rng: np.random.Generator, brain: Brain, spacing_mm: float) -> Brain:
    """The brain as it would be on the grid if it had been scanned finely, stripped and prepared.

    Args:
        rng: source of the extraction's errors.
        brain: on the study's grid.
        spacing_mm: of the grid.
    """
    found = strip(rng, brain, spacing_mm)
    point_spread = [VOXEL_VARIANCE / 2, 1 - VOXEL_VARIANCE, VOXEL_VARIANCE / 2]
    maps = np.concatenate([found.tissues, found.inside[None]])
    for axis in (1, 2, 3):
        maps = ndimage.correlate1d(maps, point_spread, axis=axis, mode="constant")
    return replace(found, tissues=maps[:3], inside=maps[3])


def strip(rng: np.random.Generator, brain: Brain, spacing_mm: float) -> Brain:
    """The brain within the surface that an extraction tool finds; what it keeps beyond the brain counts as CSF."""
    smooth = ndimage.gaussian_filter(brain.inside, STRIPPING_MM / spacing_mm)
    smooth += STRIPPING_ERROR * random_field(rng, smooth.shape, 10.0 / spacing_mm)
    kept = np.clip(0.5 + 3 * (smooth - 0.5 - STRIPPING_LOSS), 0, 1)  # as sharp as the brain's own edge
    tissues = brain.tissues * np.minimum(1, kept / np.maximum(brain.inside, 1e-3))
    tissues[0] += kept - tissues.sum(axis=0)
    return Brain(np.maximum(tissues, 0).astype(np.float32), kept.astype(np.float32), brain.template_mm)
