"""Contrast: a subject's robust mean per tissue and sequence, with a mask for absent tissues; and painting with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fl_components.vocabulary import HEALTHY, N_LABELS, N_TISSUES, SEQUENCES, TUMOUR

MINIMUM_VOXELS: Final = 4
"""A tissue of fewer voxels is absent from the contrast: its median would be one or two voxels of a person."""


_TOGETHER: Final = ((HEALTHY, 0.9), (TUMOUR, 0.6))
_ACROSS: Final = 0.25
"""Correlation, over a site's patients, of two healthy tissues' means in a sequence, of two tumour tissues', and of one
with the other: about those within the simulated hospitals. Constants, so that no site has to tell its own."""
_SEQUENCES_TOGETHER: Final = ((1, 0.45, 0, 0.3), (0.45, 1, 0.05, 0.4), (0, 0.05, 1, 0.5), (0.3, 0.4, 0.5, 1))
"""The same of one tissue's means in two sequences: a core that is cyst is dark in T1 and FLAIR, one that is blood is
bright in T1 before and after contrast."""
_TRUNCATION: Final = 2.0
"""A drawn contrast lies within this many spreads of its site's mean."""


@dataclass(frozen=True)
class Contrast:
    """`mean`: (6 tissues, 4 sequences) normalised intensity in [0, 1]; `present`: (6,) bool, absent tissues are 0."""

    mean: np.ndarray
    present: np.ndarray

    def vector(self) -> np.ndarray:
        """The network's input: 24 means, then 6 presence flags; float32."""
        return np.concatenate([self.mean.ravel(), self.present]).astype(np.float32)


VECTOR_SIZE: Final = N_TISSUES * len(SEQUENCES) + N_TISSUES


def measure_contrast(images: np.ndarray, labels: np.ndarray) -> Contrast:
    """The median of each tissue in each sequence.

    Args:
        images: (4, X, Y, Z) normalised intensities.
        labels: (X, Y, Z) anatomy.
    """
    mean = np.zeros((N_TISSUES, len(SEQUENCES)), np.float32)
    present = np.zeros(N_TISSUES, bool)
    for tissue in range(1, N_LABELS):
        voxels = images[:, labels == tissue]
        if voxels.shape[1] >= MINIMUM_VOXELS:
            mean[tissue - 1] = np.median(voxels.astype(np.float32), axis=1)
            present[tissue - 1] = True
    return Contrast(mean, present)


def paint(labels: np.ndarray, contrast: Contrast) -> np.ndarray:
    """The lookup table: every voxel gets its tissue's contrast, background 0. Returns (4, X, Y, Z) float32."""
    table = np.vstack([np.zeros((1, len(SEQUENCES)), np.float32), contrast.mean])
    return np.moveaxis(table[labels], -1, 0)


def draw_deviation(rng: np.random.Generator) -> np.ndarray:
    """How a subject's contrast deviates from its site's mean: (6, 4), in the site's spreads, at most 2 either way.

    Tissues of one brain go together: what brightens one in a sequence (the coil, what the scan is normalised by)
    brightens the others. Each drawn on its own would turn grey and white matter round in many a subject, as no scan is.
    And so do a tissue's sequences, by what it is made of: drawn apart, they would be of no tissue there is.
    """
    together = np.full((N_TISSUES, N_TISSUES), _ACROSS)
    for tissues, correlation in _TOGETHER:
        rows = np.array(tissues) - 1
        together[np.ix_(rows, rows)] = correlation
    np.fill_diagonal(together, 1)
    apart = rng.standard_normal((N_TISSUES, len(SEQUENCES)))
    drawn = np.linalg.cholesky(together) @ apart @ np.linalg.cholesky(np.array(_SEQUENCES_TOGETHER)).T
    return np.clip(drawn, -_TRUNCATION, _TRUNCATION)
