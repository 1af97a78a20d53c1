"""The painted anatomy with borders as a scan's are: how far each tissue reaches into voxels beside it is learned.

A scanner's voxels straddle tissues, and oedema goes on where its label ends, so every label's voxels hold something of
the next one. A convolutional network that adds to painted labels did not learn that in 1,500 steps; a few numbers for
each tissue do in some tens.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from fl_components.networks.averaging import SOFT, SOFTER, averaged
from fl_components.vocabulary import N_TISSUES, SEQUENCES

TIMES: Final = (1, 2, 4)
"""How often labels are averaged with their neighbours: Gaussians of .5, .8 and 1.2 voxels."""
REACH: Final = max(TIMES)
"""Voxels around that one depends on."""
_FAINT: Final = -4.0
"""Logarithm of the weight of all scales but the first, to begin with."""
_GAIN: Final = 50.0
"""By how much more the numbers here move in a step than a convolution's weights, of which there are thousands."""


class PartialVolume(nn.Module):
    """What fraction of a voxel is of which tissue, and what it shows with that.

    A label, averaged over its neighbourhood at three scales, counts with a weight for each scale; all tissues' counts
    in a voxel are divided by their sum. 18 numbers, the same for everybody, and nothing depends on more than `REACH`
    voxels around: an edit of the anatomy changes what is near it.
    """

    def __init__(self) -> None:
        super().__init__()
        weights = torch.full((len(TIMES), N_TISSUES), _FAINT)
        weights[0] = 0
        self.weights = nn.Parameter(weights / _GAIN)

    def forward(self, anatomy: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
        """Paint.

        Args:
            anatomy: (B, 7, X, Y, Z) one-hot.
            contrast: (B, 30) contrast vectors.

        Returns:
            (B, 4, X, Y, Z) float32; background 0, and none of it in the averages.
        """
        means = contrast[:, :-N_TISSUES].unflatten(1, (N_TISSUES, len(SEQUENCES)))
        with torch.autocast(anatomy.device.type, enabled=False):
            return torch.einsum("blxyz,blc->bcxyz", self.fractions(anatomy.float()), means.float())

    def fractions(self, anatomy: torch.Tensor) -> torch.Tensor:
        """(B, 7, X, Y, Z) one-hot to (B, 6, X, Y, Z): of each tissue, 1 in all in the brain, 0 in the background."""
        found, smooth = torch.zeros_like(anatomy[:, 1:]), anatomy[:, 1:]
        weights = (_GAIN * self.weights).exp()[:, None, :, None, None, None]
        for times in range(1, REACH + 1):
            smooth = averaged(smooth, SOFT if times == 1 else SOFTER)
            if times in TIMES:
                found = found + weights[TIMES.index(times)] * smooth
        brain = 1 - anatomy[:, :1]
        return brain * found / torch.where(brain > 0, found.sum(dim=1, keepdim=True), 1)
