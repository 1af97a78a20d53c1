"""Distances between two sets of feature vectors: Fréchet's and the maximum mean discrepancy, unbiased for few subjects.

Both are computed within a site; neither a mean nor a covariance of its subjects' features leaves it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import linalg

COMPONENTS: Final = 6
"""Directions that Fréchet's distance keeps: a covariance of more is not to be had from a few dozen subjects."""
DEGREE: Final = 3
PERMUTATIONS: Final = 20


def frechet_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) of (n, F) and (m, F) vectors (Heusel et al. 2017, equation 6)."""
    first, second = np.cov(real, rowvar=False), np.cov(synthetic, rowvar=False)
    values = linalg.eigvals(np.atleast_2d(first) @ np.atleast_2d(second)).real
    roots = np.sqrt(np.clip(values, 0, None)).sum()
    shift = real.mean(axis=0) - synthetic.mean(axis=0)
    return float(shift @ shift + np.trace(np.atleast_2d(first)) + np.trace(np.atleast_2d(second)) - 2 * roots)


def frechet_by_chance(real: np.ndarray, synthetic: np.ndarray, seed: int) -> float:
    """Mean of Fréchet's distance over random relabellings of the subjects: what sets of these sizes have anyway.

    Less this, the distance is expected to be 0 for two sets from one population whatever their sizes, so that sites
    can be averaged; it may then come out slightly negative.
    """
    both, rng = np.concatenate([real, synthetic]), np.random.default_rng(seed)
    orders = [rng.permutation(len(both)) for _ in range(PERMUTATIONS)]
    return float(np.mean([frechet_distance(both[order[:len(real)]], both[order[len(real):]]) for order in orders]))


def kernel_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Unbiased squared MMD in thousandths, with the kernel (x·y / F + 1)³ (Bińkowski et al. 2018, "Demystifying MMD
    GANs": KID, which is usually told so)."""
    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.asarray((first @ second.T / first.shape[1] + 1) ** DEGREE)

    def within(vectors: np.ndarray) -> float:
        table = kernel(vectors, vectors)
        return float((table.sum() - np.trace(table)) / (len(vectors) * (len(vectors) - 1)))

    return 1000 * (within(real) + within(synthetic) - 2 * float(kernel(real, synthetic).mean()))


def whitened(real: np.ndarray, synthetic: np.ndarray, components: int = COMPONENTS) -> tuple[np.ndarray, np.ndarray]:
    """Both sets, each feature in units of its SD over real and synthetic subjects (which weigh alike), then on the
    principal axes of the two together: (n, K), (m, K)."""
    centre = (real.mean(axis=0) + synthetic.mean(axis=0)) / 2
    scale = np.sqrt(((real - centre) ** 2).mean(axis=0) / 2 + ((synthetic - centre) ** 2).mean(axis=0) / 2)
    first, second = ((rows - centre) / np.where(scale > 1e-9, scale, 1) for rows in (real, synthetic))
    scatter = first.T @ first / len(first) + second.T @ second / len(second)
    axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :min(components, len(scatter))]
    width = np.sqrt(real.shape[1])
    return first @ axes / width, second @ axes / width
