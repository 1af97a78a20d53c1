"""How good images are against the real ones of the same anatomy and contrast: four figures that say different things.

L1 alone says nothing: a lookup table that paints each tissue with its contrast is as near to a noisy scan as a network
is. The tissue means say whether the contrast was met. The share of high frequencies says whether there is detail, but
the lookup table's sharp tissue edges hold as much of it as real texture does; so the texture share leaves out what a
lookup table can paint: it is 0 for every lookup table and 1 for the real image.
"""

from __future__ import annotations

import numpy as np

from fl_components.contrast import measure_contrast, paint
from fl_components.vocabulary import SEQUENCES

HIGH_FREQUENCY_CUTOFF = 0.25
"""Cycles per voxel above which power counts as high-frequency: finer than four voxels."""


def masked_l1(images: np.ndarray, real: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean absolute error inside the brain, per sequence: (4,).

    Args:
        images: (4, X, Y, Z) generated intensities in [0, 1].
        real: (4, X, Y, Z) of the subject whose anatomy it is.
        labels: (X, Y, Z) that anatomy.
    """
    brain = labels > 0
    return np.abs(images[:, brain] - real[:, brain]).mean(axis=1)


def tissue_error(images: np.ndarray, real: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean over the tissues present of the absolute difference of their medians, per sequence: (4,)."""
    found, wanted = measure_contrast(images, labels), measure_contrast(real, labels)
    return np.abs(found.mean - wanted.mean)[wanted.present].mean(axis=0)


def high_frequency_power(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Power above `HIGH_FREQUENCY_CUTOFF` inside the brain, per sequence: (4,).

    The brain's mean is put outside it first, so that the outline, which the anatomy gives away, adds little.
    """
    brain = labels > 0
    centred = np.where(brain, images - images[:, brain].mean(axis=1)[:, None, None, None], 0)
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in labels.shape), indexing="ij")
    high = np.sqrt(sum(f**2 for f in frequencies)) > HIGH_FREQUENCY_CUTOFF
    spectrum = np.abs(np.fft.fftn(centred, axes=(1, 2, 3))) ** 2
    return spectrum[:, high].sum(axis=1) / brain.sum()


def texture_share(images: np.ndarray, real: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """High-frequency power beyond the lookup table in the images, over that in the real ones, per sequence: (4,).

    Each is compared with the lookup table of the anatomy painted with its own contrast, so that tissues of a wrong
    brightness, which `tissue_error` tells of, do not pass for texture. A lookup table has 0 whatever its contrast, the
    real images have 1. Edges softer than the lookup table's count, as they do in the real images. The share tells how
    much there is, not that it lies where it should; above 1 the images are rougher than real ones. It is nan in a
    sequence whose real image is a lookup table itself.
    """
    with np.errstate(invalid="ignore"):
        return _texture_power(images, labels) / _texture_power(real, labels)


def _texture_power(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return high_frequency_power(images - paint(labels, measure_contrast(images, labels)), labels)


def compare(images: np.ndarray, real: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """All four by figure and sequence; the high frequencies as a share of the real image's."""
    share = high_frequency_power(images, labels) / high_frequency_power(real, labels)
    rows = {"l1": masked_l1(images, real, labels), "tissue_error": tissue_error(images, real, labels),
            "high_frequency_share": share, "texture_share": texture_share(images, real, labels)}
    return {name: dict(zip(SEQUENCES, map(float, values), strict=True)) for name, values in rows.items()}
