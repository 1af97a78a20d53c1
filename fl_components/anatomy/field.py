"""Smooth random fields: the raw material of warps, folds, texture and irregular rims."""

from __future__ import annotations

import numpy as np


def random_field(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """A Gaussian random field of zero mean and unit variance at every voxel.

    White noise on knots `scale` apart, spread by separable Gaussian bumps whose rows have unit length.

    Args:
        rng: source of the noise.
        shape: voxels along each axis.
        scale: the bumps' standard deviation in voxels, > 0; about 2.5 of it is the size of one blob.

    Returns:
        float32 array of the given shape.
    """
    bases = [_bumps(length, scale) for length in shape]
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for basis in bases:  # contracts the first axis and appends its result last, so the order returns after all axes
        field = np.tensordot(field, basis, axes=(0, 1))
    return np.ascontiguousarray(field)


def _bumps(length: int, scale: float) -> np.ndarray:
    """(length, knots) Gaussian bumps, each row of unit length."""
    margin = 2 * scale
    knots = np.arange(-margin, length - 1 + margin + scale, scale)
    basis = np.exp(-0.5 * ((np.arange(length)[:, None] - knots) / scale) ** 2)
    return (basis / np.linalg.norm(basis, axis=1, keepdims=True)).astype(np.float32)
