"""Grain: white noise at several scales, each of which the generator weighs voxel by voxel.

A scan's noise is white where the scanner makes it, and is blurred when the scan is brought to the study's grid; a
tumour's inside is patchy on a larger scale. A network that must make all that out of white noise by its few
convolutions makes it alike in all sequences, or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch

from fl_components.networks.conditions import averaged

TIMES: Final = (0, 1, 4)
"""How often neighbours are averaged: Gaussians of 0, .7 and 1.3 voxels."""
SCALES: Final = len(TIMES)
REACH: Final = max(TIMES)
"""Voxels around that one depends on."""
_NEXT: Final = 0.21
"""A neighbour's weight each time."""


def scales_of(texture: torch.Tensor) -> torch.Tensor:
    """The noise at each scale, of unit variance but near the volume's edge.

    Args:
        texture: (B, C, X, Y, Z), standard normal.

    Returns:
        (B, SCALES, C, X, Y, Z) float32.
    """
    found, smooth = [], texture.float()
    for times in range(REACH + 1):
        if times in TIMES:
            found.append(smooth / _spread(times))
        smooth = averaged(smooth, _NEXT)
    return torch.stack(found, dim=1)


@cache
def _spread(times: int) -> float:
    """Standard deviation of white noise after averaging so often along three axes."""
    kernel = np.ones(1)
    for _ in range(times):
        kernel = np.convolve(kernel, [_NEXT, 1 - 2 * _NEXT, _NEXT])
    return float((kernel**2).sum() ** 1.5)
