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

from fl_components.networks.conditions import NEXT, averaged

TIMES: Final = (0, 1, 4)
"""How often neighbours are averaged: Gaussians of 0, .7 and 1.3 voxels."""
SCALES: Final = len(TIMES)
REACH: Final = max(TIMES)
"""Voxels around that one depends on."""
SMALLEST: Final = 3e-3
"""A standard deviation added to every strength in the likelihood: an empty sequence would have one without bounds."""


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
        smooth = averaged(smooth)
    return torch.stack(found, dim=1)


def grain_loss(unexplained: torch.Tensor, strengths: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of what the expected images do not explain, mean over voxels, sequences and scales.

    Heteroscedastic regression (Kendall & Gal 2017, arXiv 1703.04977) at each scale: averaged as that scale's noise is,
    the rest has the variance that the noise of all scales has when it is averaged so too.

    Args:
        unexplained: (B, C, X, Y, Z) scans less expected images, 0 outside the brain.
        strengths: (B, SCALES, C, X, Y, Z) standard deviations of the noise at each scale.
        brain: (B, 1, X, Y, Z), 1 inside.
    """
    total = unexplained.new_zeros(())
    variances = strengths**2 + SMALLEST**2
    for times, found in zip(TIMES, scales_of(unexplained).unbind(1), strict=True):
        shares = variances.new_tensor([seen_share(own, times) for own in TIMES])
        seen = torch.einsum("s,bscxyz->bcxyz", shares, variances)
        total = total + ((seen.log() + found**2 / seen) * brain).sum() / 2
    return total / (SCALES * unexplained.shape[1] * brain.sum()).clamp(min=1)


def seen_share(own: int, times: int) -> float:
    """Variance of a scale's noise of variance 1, `own` times averaged, where another's averaging `times` looks."""
    return (_spread(own + times) / (_spread(own) * _spread(times)))**2


@cache
def _spread(times: int) -> float:
    """Standard deviation of white noise after averaging so often along three axes."""
    kernel = np.ones(1)
    for _ in range(times):
        kernel = np.convolve(kernel, [NEXT, 1 - 2 * NEXT, NEXT])
    return float((kernel**2).sum() ** 1.5)
