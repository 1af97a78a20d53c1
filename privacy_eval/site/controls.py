"""The two releases that every audit attacks besides the real one, built and destroyed inside the site.

Positive: a leaky release and a leaky generator; an audit that misses them is blind. Negative: a release and a
generator that no member can be in; an audit that accuses them is biased. Neither holds anything that may leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

MUST_FIRE: Final = ("T1", "T2", "T4", "T6")
"""Tests that must fire on the positive control: T1, T2, T6 on the leaky release, T4 on the leaky generator."""

LEAKED_SHARE: Final = 0.5
"""Share of the site's members that the positive control copies or remembers."""

COPY_NOISE: Final = 0.05
"""SD of the noise on a copied volume, as a share of that volume's own SD."""

BLEND: Final = 0.5
"""Share of the remembered scan in the leaky generator's output."""


def leaked_members(n_members: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of the members that the positive control leaks, a random half, shape (n_members // 2,)."""
    return rng.permutation(n_members)[: int(LEAKED_SHARE * n_members)]


def noisy_copies(volumes: np.ndarray, indices: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Copies of volumes[indices] with a little noise, float32, one by one so that no second cohort is in memory."""
    for index in indices:
        volume = np.asarray(volumes[index], np.float32)
        noise = rng.standard_normal(volume.shape, dtype=np.float32)
        yield volume + np.float32(COPY_NOISE * volume.std()) * noise


def blended_errors(errors: np.ndarray, leaked: np.ndarray) -> np.ndarray:
    """L1 errors of a generator that blends its output with the scan it remembers of the leaked members.

    |(1 − b) G + b y − y| = (1 − b) |G − y|: the error shrinks by the blend's share, whatever G is.
    """
    blended = errors.copy()
    blended[leaked] *= 1 - BLEND
    return blended
