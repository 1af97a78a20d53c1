"""What labels do not say: a voxel of one tissue holds something of another, here more, there less.

Inside one label scans go up and down together: where T1 is darker, T1 after contrast is too, and T2 brighter. It is no
noise of a scanner but anatomy that labels do not resolve, and moves a voxel towards another tissue's contrast in all
sequences at once. Noise of each sequence's own has none of that, and looks like static.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from fl_components.networks.grain import SCALES
from fl_components.vocabulary import HEALTHY, N_TISSUES, SEQUENCES, TUMOUR

FIELDS: Final = 3
"""A field for each healthy tissue; a tumour's tissues use the same ones, as they are elsewhere."""
_GROUPS: Final = (HEALTHY, TUMOUR)
_BEGIN: Final = 0.05
"""What fraction of a voxel is of another tissue, standard deviation at each scale, to begin with."""
_GAIN: Final = 50.0
"""By how much more the numbers here move in a step than a convolution's weights, as in `partial_volume`."""


class Admixture(nn.Module):
    """How much of each other tissue of its kind, healthy or tumour, a tissue holds at random, at each scale but white.

    36 numbers that count, the same for everybody, and 18 of a tissue in itself, which do nothing. The fractions are
    Gaussian and of either sign: a tissue's contrast is that of its usual mixture, and there is less of another tissue
    than usual as there is more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((SCALES - 1, N_TISSUES, FIELDS), _BEGIN / _GAIN))

    def forward(self, anatomy: torch.Tensor, contrast: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        """What it adds to every sequence.

        Args:
            anatomy: (B, 7, X, Y, Z) one-hot.
            contrast: (B, 30) contrast vectors; a tissue that is absent is mixed into none.
            scales: (B, SCALES, FIELDS, X, Y, Z): see `grain.scales_of`.

        Returns:
            (B, 4, X, Y, Z) float32, 0 in the background.
        """
        with torch.autocast(anatomy.device.type, enabled=False):
            amounts = _GAIN * self.weights.transpose(0, 1)[None, ..., None]
            towards = (amounts * directions(contrast.float())[:, :, None]).flatten(2, 3)
            added = torch.einsum("bfxyz,blfc->blcxyz", scales[:, 1:].float().flatten(1, 2), towards)
            return (anatomy[:, 1:, None].float() * added).sum(dim=1)


def directions(contrast: torch.Tensor) -> torch.Tensor:
    """From each tissue to those of its kind: (B, 30) contrast vectors to (B, 6, FIELDS, 4), 0 where one is absent."""
    means = contrast[:, :-N_TISSUES].unflatten(1, (N_TISSUES, len(SEQUENCES)))
    present = contrast[:, -N_TISSUES:]
    found = torch.zeros(len(contrast), N_TISSUES, FIELDS, len(SEQUENCES), device=contrast.device)
    for group in _GROUPS:
        rows = [label - 1 for label in group]
        both = present[:, rows, None] * present[:, None, rows]
        found[:, rows] = (means[:, None, rows] - means[:, rows, None]) * both[..., None]
    return found
