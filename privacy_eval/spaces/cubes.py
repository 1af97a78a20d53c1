"""Averages over cubes: how every space brings a grid down to a stated number of voxels, without aliasing."""

from __future__ import annotations

import numpy as np


def cube_sides(grid: tuple[int, ...], maximum_voxels: int) -> tuple[int, ...]:
    """Voxels a side of the smallest cubes with at most `maximum_voxels` of them in the grid, for each axis.

    An axis shorter than the cube is averaged whole, so that it keeps one voxel.
    """
    side = 1
    while np.prod([-(-length // side) for length in grid]) > max(maximum_voxels, 1):
        side += 1
    return tuple(min(side, length) for length in grid)


def pooled_grid(grid: tuple[int, ...], sides: tuple[int, ...]) -> tuple[int, ...]:
    """How many cubes there are along each axis."""
    return tuple(-(-length // side) for length, side in zip(grid, sides, strict=True))


def cube_means(channels: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Means over cubes of (C, *grid), as (C, *pooled grid) float32; the grid's end is padded with zeros."""
    means = np.asarray(channels, np.float32)
    for axis, side in enumerate(sides, start=1):
        means = _means_along(means, axis, side)
    return means


def _means_along(channels: np.ndarray, axis: int, side: int) -> np.ndarray:
    if side == 1:
        return channels
    end = -channels.shape[axis] % side
    if end:
        padding = [(0, end) if k == axis else (0, 0) for k in range(channels.ndim)]
        channels = np.pad(channels, padding)
    shape = channels.shape
    return channels.reshape(*shape[:axis], shape[axis] // side, side, *shape[axis + 1:]).mean(axis=axis + 1)
