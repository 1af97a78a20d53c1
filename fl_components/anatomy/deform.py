"""Smooth invertible warps: exponentials of stationary velocity fields, and affine maps.

A displacement is a (3, X, Y, Z) float32 array in millimetres: the voxel at x shows what lay at x + u(x).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.field import random_field, separable

STILL: Final = 0.003
"""A displacement below this share of a voxel is taken as none."""


def exponentiate(velocity: np.ndarray, spacing_mm: float, squarings: int = 4) -> np.ndarray:
    """The diffeomorphism of a stationary velocity field by scaling and squaring.

    Arsigny et al., "A log-Euclidean framework for statistics on diffeomorphisms", MICCAI 2006.

    Args:
        velocity: (3, X, Y, Z) in millimetres per unit time, smooth.
        spacing_mm: voxel size.
        squarings: the first step is velocity / 2**squarings; it must stay well below one voxel.
    """
    displacement = (velocity / 2**squarings).astype(np.float32)
    for _ in range(squarings):
        displacement = compose(displacement, displacement, spacing_mm)
    return displacement


def compose(outer: np.ndarray, inner: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The displacement of x → outer(inner(x)): `inner` is read first, then `outer` where it points."""
    return inner + warp(outer, inner, spacing_mm)


def warp(volumes: np.ndarray, displacement: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Read volumes (C, X, Y, Z) at x + u(x), linearly; beyond the edge the edge's value."""
    moved = np.abs(displacement).max(axis=0) > STILL * spacing_mm  # a local push leaves most voxels where they were
    points = np.stack(np.nonzero(moved)) + displacement[:, moved] / spacing_mm
    result = volumes.astype(np.float32)
    result[:, moved] = sample(volumes, points)
    return result


def sample(volumes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Read volumes (C, X, Y, Z) at voxel coordinates (3, …) linearly; returns (C, …) float32."""
    return np.stack([ndimage.map_coordinates(volume, points, np.float32, order=1, mode="nearest")
                     for volume in volumes])


def upsample(volumes: np.ndarray, shape: tuple[int, ...], factor: float) -> np.ndarray:
    """Read volumes (C, x, y, z) linearly at index / factor for every index of a finer (X, Y, Z) shape."""
    weights = [_linear_weights(fine, coarse, factor) for fine, coarse in zip(shape, volumes.shape[1:], strict=True)]
    return separable(volumes.astype(np.float32, copy=False), weights)


def _linear_weights(fine: int, coarse: int, factor: float) -> np.ndarray:
    """(fine, coarse) interpolation weights, each row summing to 1."""
    position = np.minimum(np.arange(fine) / factor, coarse - 1)[:, None]
    return np.maximum(0, 1 - np.abs(position - np.arange(coarse))).astype(np.float32)


def voxel_grid(shape: tuple[int, ...]) -> np.ndarray:
    """(3, X, Y, Z) float32 voxel indices."""
    return np.indices(shape, dtype=np.float32)


def jacobian(displacement: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Jacobian determinant of x + u(x) at each voxel, by central differences: volume change, > 0 if invertible."""
    gradient = np.stack([np.stack(np.gradient(component, spacing_mm)) for component in displacement])
    matrices = np.moveaxis(gradient, (0, 1), (-2, -1)) + np.eye(3)
    return np.linalg.det(matrices)


def random_velocity(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: float,
                    amplitude_mm: float, scale_mm: float) -> np.ndarray:
    """A smooth random velocity field of the given standard deviation per component.

    Args:
        rng: source of the noise.
        shape: voxels along each axis.
        spacing_mm: voxel size.
        amplitude_mm: standard deviation of each component.
        scale_mm: smoothness; amplitudes above a third of it fold space once discretised.
    """
    return amplitude_mm * np.stack([random_field(rng, shape, scale_mm / spacing_mm) for _ in range(3)])


def affine_matrix(rotation_degrees: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(3, 3) rotation about x, then y, then z, after scaling along the axes."""
    matrix = np.diag(np.asarray(scale, float))
    for axis, angle in enumerate(np.deg2rad(rotation_degrees)):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
