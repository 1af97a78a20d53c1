"""Smooth random fields: the raw material of warps, folds, texture and irregular rims."""

from __future__ import annotations

import numpy as np


def random_field(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """A Gaussian random field of zero mean and unit variance at every voxel.

    White noise on knots `scale` apart, spread by separable Gaussian bumps whose rows have unit length.

    Args:
        rng: source of the noise.
        shape: voxels along each of three axes.
        scale: the bumps' standard deviation in voxels, > 0; about 2.5 of it is the size of one blob.

    Returns:
        float32 array of the given shape.
    """
    bases = [_bumps(length, scale) for length in shape]
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    return separable(field, bases)


def separable(volume: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Multiply the lines along each of the last three axes of (…, x, y, z) by a (new, old) matrix: (…, X, Y, Z)."""
    along_x, along_y, along_z = matrices
    volume = along_y @ (volume @ along_z.T)
    *lead, x, y, z = volume.shape
    return (along_x @ volume.reshape(*lead, x, y * z)).reshape(*lead, len(along_x), y, z)


def _bumps(length: int, scale: float) -> np.ndarray:
    """(length, knots) Gaussian bumps, each row of unit length."""
    margin = 2 * scale
    knots = np.arange(-margin, length - 1 + margin + scale, scale)
    basis = np.exp(-0.5 * ((np.arange(length)[:, None] - knots) / scale) ** 2)
    return (basis / np.linalg.norm(basis, axis=1, keepdims=True)).astype(np.float32)
