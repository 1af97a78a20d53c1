"""Convolution of features whose voxels are each taken twice along every axis, in a third of its multiplications.

Of a doubled volume a 3×3×3 convolution sees at most two different voxels along an axis. So each of the eight places
that a fine voxel can have in its coarse one has a 2×2×2 kernel, sums of the 3×3×3 one's weights: 8 of 27
multiplications, and no doubled volume (sub-pixel convolution, Shi et al. 2016, arXiv 1609.05158 and 1609.07009).
"""

from __future__ import annotations

from itertools import product

import torch
from torch.nn import functional as F


def convolve_doubled(coarse: torch.Tensor, weight: torch.Tensor, shape: tuple[int, ...],
                     zeros: int = 1) -> torch.Tensor:
    """`F.conv3d(doubled, weight, padding=1)`, where `doubled` has every voxel twice along each axis.

    Args:
        coarse: (B, C, X, Y, Z).
        weight: (O, C, 3, 3, 3).
        shape: of the result, which begins where the doubled volume does: along each axis twice as long, or one less.
        zeros: planes added at both ends of `coarse` along X: 1, or 0 where its first and last are neighbours' and the
            result is that of the planes between.

    Returns:
        (B, O, *shape).
    """
    found = F.conv3d(coarse, _kernels(weight), padding=(zeros, 1, 1)).unflatten(1, (2, 2, 2, len(weight)))
    sizes = [size - 1 for size in found.shape[-3:]]
    places = [found[:, z, y, x, :, x:x + sizes[0], y:y + sizes[1], z:z + sizes[2]]
              for x, y, z in product((0, 1), repeat=3)]
    apart = torch.stack(places, dim=-1).unflatten(-1, (2, 2, 2))
    # (B, X, 2, Y, 2, Z, 2, O): channels last, as they are laid out.
    fine = apart.permute(0, 2, 5, 3, 6, 4, 7, 1).flatten(5, 6).flatten(3, 4).flatten(1, 2).movedim(-1, 1)
    return fine[:, :, :shape[0], :shape[1], :shape[2]]


def _kernels(weight: torch.Tensor) -> torch.Tensor:
    """(O, C, 3, 3, 3) to (8 O, C, 2, 2, 2): outermost the place along Z, then Y, then X."""
    for axis in (2, 3, 4):
        before, here, after = weight.split(1, dim=axis)
        first = torch.cat([before, here + after], dim=axis)  # its neighbour on the right is the same coarse voxel
        second = torch.cat([before + here, after], dim=axis)
        weight = torch.cat([first, second])
    return weight
