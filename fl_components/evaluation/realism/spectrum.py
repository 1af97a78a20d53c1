"""The radial power spectrum inside the brain, and whether the synthetic one lacks fine detail.

Sharp edges between tissues hold fine detail too: a lookup table has more of it than a scan has at their borders.
"""

from __future__ import annotations

from typing import Final

import numpy as np

SHELLS: Final = 12
"""Rings of frequency from 0 to half a cycle a voxel."""
FINE: Final = 0.25
"""Cycles a voxel above which detail is fine: shorter than four voxels."""
COARSE: Final = 0.125
"""Cycles a voxel below which lies the anatomy's gross form, by which the others are measured."""
_FLOOR: Final = 1e-12


def radial_spectrum(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(4, SHELLS) natural logarithm of mean power a ring, less the mean over the coarse rings.

    The brain's mean is put outside it first, so that the outline counts little; that the coarse rings are taken away
    leaves the contrast's strength out.

    Args:
        images: (4, X, Y, Z) intensities.
        labels: (X, Y, Z) anatomy.
    """
    brain = labels > 0
    mean = images[:, brain].mean(axis=1, dtype=np.float64)[:, None, None, None]
    power = np.abs(np.fft.fftn(np.where(brain, images - mean, 0), axes=(1, 2, 3))) ** 2
    ring = _rings((labels.shape[0], labels.shape[1], labels.shape[2]))
    counts = np.maximum(np.bincount(ring.ravel(), minlength=SHELLS + 1), 1)
    sums = np.stack([np.bincount(ring.ravel(), one.ravel(), SHELLS + 1) for one in power])
    logarithms = np.log(sums / counts + _FLOOR)[:, :SHELLS]
    return np.asarray(logarithms - logarithms[:, ring_frequencies() < COARSE].mean(axis=1, keepdims=True))


def ring_frequencies() -> np.ndarray:
    """(SHELLS,) cycles a voxel in the middle of each ring."""
    return (np.arange(SHELLS) + 0.5) / (2 * SHELLS)


def fine_log_ratio(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """(4,) mean over the fine rings of log power, synthetic less real: 0 alike, below 0 blurred, above 0 too rough.

    Args:
        real: (n, 4, SHELLS) from `radial_spectrum`.
        synthetic: (m, 4, SHELLS).
    """
    fine = ring_frequencies() > FINE
    return np.asarray((synthetic.mean(axis=0) - real.mean(axis=0))[:, fine].mean(axis=1))


def _rings(shape: tuple[int, int, int]) -> np.ndarray:
    frequencies = np.meshgrid(*(np.fft.fftfreq(length) for length in shape), indexing="ij", sparse=True)
    radius = np.sqrt(sum(f**2 for f in frequencies))
    return np.minimum((radius * 2 * SHELLS).astype(np.int64), SHELLS)
