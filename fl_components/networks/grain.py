"""Grain: white noise at several scales, each of which the generator weighs voxel by voxel.

A scan's noise is white where the scanner makes it, and is blurred when the scan is brought to the study's grid; a
tumour's inside is patchy on a larger scale, in all sequences. A network that must make all that out of white noise by
its few convolutions makes it alike in all sequences, or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch

from fl_components.networks.averaging import SOFTER, averaged_often
from fl_components.vocabulary import SEQUENCES

TIMES: Final = (0, 1, 3, 8)
"""How often neighbours are averaged: Gaussians of 0, .6, 1.1 and 1.8 voxels."""
SCALES: Final = len(TIMES)
STRENGTHS: Final = (SCALES - 1 + len(SEQUENCES)) * len(SEQUENCES)
"""Channels of `mixed`."""
REACH: Final = max(TIMES)
"""Voxels of white noise around that a scale depends on."""
_ALL: Final = slice(None)


def scales_of(texture: torch.Tensor, planes: slice = _ALL) -> torch.Tensor:
    """The noise at each scale, of unit variance but near the volume's edge.

    Args:
        texture: (B, C, X, Y, Z), standard normal.
        planes: those along X that are wanted, of which no more is held.

    Returns:
        (B, SCALES, C, X, Y, Z) float32, X the wanted planes.
    """
    texture = texture.float()
    return torch.stack([texture[:, :, planes] if times == 0 else
                        averaged_often(texture, SOFTER, times, planes) / _spread(times) for times in TIMES], dim=1)


def mixed(strengths: torch.Tensor, scales: torch.Tensor, patchy: torch.Tensor) -> torch.Tensor:
    """The noise of every sequence: of its own field at the finer scales, of all of them at the coarsest.

    What the scanner adds to one sequence it does not add to the next; blood or a cyst is seen in all of them. Healthy
    tissue has no noise so coarse: it would be clouds.

    Args:
        strengths: (B, STRENGTHS, X, Y, Z), of every sequence's own field by scale, then of each field in each sequence.
        scales: (B, SCALES, 4, X, Y, Z), of a field for each sequence: see `scales_of`.
        patchy: (B, 1, X, Y, Z), 1 where the coarsest noise may be, else 0.

    Returns:
        (B, 4, X, Y, Z).
    """
    n = len(SEQUENCES)
    own, shared = strengths.split([(SCALES - 1) * n, n * n], dim=1)
    fine = (own.unflatten(1, (SCALES - 1, n)) * scales[:, :-1]).sum(dim=1)
    return fine + patchy * (shared.unflatten(1, (n, n)) * scales[:, -1, :, None]).sum(dim=1)


@cache
def _spread(times: int) -> float:
    """Standard deviation of white noise after averaging so often along three axes."""
    kernel = np.ones(1)
    for _ in range(times):
        kernel = np.convolve(kernel, [SOFTER, 1 - 2 * SOFTER, SOFTER])
    return float((kernel**2).sum() ** 1.5)
