"""A volume averaged with its neighbours, once or again and again: what stands for a Gaussian in the networks."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch

SOFT: Final = 0.12
"""Weight of each neighbour along an axis, .76 being left for the voxel: a Gaussian of half a voxel."""
SOFTER: Final = 0.21
"""The same for averages that are taken again and again: a Gaussian of .65 voxels each time."""
_ALL: Final = slice(None)


def averaged(volume: torch.Tensor, beside: float) -> torch.Tensor:
    """(B, C, X, Y, Z) with every voxel averaged with its neighbours along each axis; beyond the edge is 0.

    Args:
        volume: what to average.
        beside: weight of each of the two neighbours.
    """
    for axis in (2, 3, 4):
        size, edge = volume.shape[axis], torch.zeros_like(volume.narrow(axis, 0, 1))
        wide = torch.cat([edge, volume, edge], dim=axis)
        neighbours = wide.narrow(axis, 0, size) + wide.narrow(axis, 2, size)
        volume = neighbours.mul_(beside).add_((1 - 2 * beside) * volume)  # in place: a slab is tens of MiB
    return volume


def averaged_often(volume: torch.Tensor, beside: float, times: int, planes: slice = _ALL) -> torch.Tensor:
    """What `averaged` gives if it is applied `times` times, by one product with a matrix along each axis.

    From two times on that is quicker, and only the wanted planes are worked on.

    Args:
        volume: (B, C, X, Y, Z) float32 or float64.
        beside: weight of each of the two neighbours.
        times: how often.
        planes: those along X that are wanted.
    """
    x, y, z = (_repeated(size, beside, times).to(volume) for size in volume.shape[2:])
    with torch.autocast(volume.device.type, enabled=False):
        along = (x[planes] @ volume.contiguous().flatten(3)).unflatten(3, volume.shape[3:])
        return y @ along @ z


@lru_cache(maxsize=64)
def _repeated(size: int, beside: float, times: int) -> torch.Tensor:
    """(size, size) float64, symmetric: averaging along an axis so often, beyond whose ends is 0."""
    once = torch.zeros(size, size, dtype=torch.double)
    once.diagonal().fill_(1 - 2 * beside)
    for offset in (-1, 1):
        once.diagonal(offset).fill_(beside)
    return torch.linalg.matrix_power(once, times)
