"""The two releases that every audit attacks besides the real one, built and destroyed inside the site.

Positive: a leaky release and a leaky generator; an audit that misses them is blind. Negative: a release and a
generator that no member can be in; an audit that accuses them is biased. Neither holds anything that may leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from privacy_eval.spaces.images import ImageSet, Picture

LEAKED_SHARE: Final = 0.5
"""Share of the site's members that the positive control copies or remembers."""

COPY_NOISE: Final = 0.05
"""SD of the noise on a copied image, as a share of that image's own SD."""

BLEND: Final = 0.5
"""Share of the remembered scan in the leaky generator's output."""


def leaked_patients(n_members: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of the patients that the positive control leaks, a random half, shape (n_members // 2,)."""
    return rng.permutation(n_members)[: int(LEAKED_SHARE * n_members)]


def first_rows(group: ImageSet, patients: np.ndarray) -> np.ndarray:
    """The first row of each of the given patients (positions among the group's sorted patients)."""
    return np.unique(group.owners, return_index=True)[1][patients]


def noisy_copies(group: ImageSet, rng: np.random.Generator) -> Iterator[Picture]:
    """Copies of a group's images with a little noise, float32; label maps are copied as they are.

    They come one by one, so that no second cohort is in memory, and the same ones at each call with a like `rng`.
    """
    for picture in group:
        image = np.asarray(picture.images, np.float32)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        yield Picture(image + np.float32(COPY_NOISE * image.std()) * noise, picture.labels)


def blended_errors(errors: np.ndarray, leaked: np.ndarray) -> np.ndarray:
    """L1 errors of a generator that blends its output with the scan it remembers of the leaked patients.

    |(1 − b) G + b y − y| = (1 − b) |G − y|: the error shrinks by the blend's share, whatever G is.
    """
    blended = errors.copy()
    blended[leaked] *= 1 - BLEND
    return blended
