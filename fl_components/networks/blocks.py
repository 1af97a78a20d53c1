"""The generator's blocks: convolve, normalise each voxel by itself, modulate by the style."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from fl_components.networks.doubling import convolve_doubled


class Modulated(nn.Module):
    """3×3×3 convolution, normalisation over the channels of each voxel, then scale and shift by the style.

    Modulation after Perez et al. 2018 (FiLM, arXiv 1709.07871). Statistics over the volume would tint one end of a
    brain by a tumour at the other, differ between a patch and the whole, and, kept, carry a site's population out
    with the weights; those of one voxel (layer normalisation, Ba et al. 2016, arXiv 1607.06450) do none of it.
    """

    def __init__(self, inputs: int, outputs: int, style_size: int, stride: int = 1) -> None:
        super().__init__()
        # Holds the parameters; how many zeros are added is for who calls to say.
        self.conv = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1)
        self.modulation = nn.Linear(style_size, 2 * outputs)

    def modulated(self, found: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """What follows the convolution."""
        scale, shift = self.modulation(style)[:, :, None, None, None].chunk(2, dim=1)
        normalised = F.layer_norm(found.movedim(1, -1), found.shape[1:2]).movedim(-1, 1)
        return F.leaky_relu((normalised * (1 + scale)).add_(shift), 0.2, inplace=True)


class ModulatedConv(Modulated):
    """A block of one input."""

    def forward(self, features: torch.Tensor, style: torch.Tensor, zeros: int = 1) -> torch.Tensor:
        """Convolve and modulate.

        Args:
            features: (B, inputs, X, Y, Z).
            style: (B, style_size).
            zeros: planes added at both ends along X: 1, or 0 where the first and last one given are neighbours', and
                the result is that of the planes between.

        Returns:
            (B, outputs, …).
        """
        found = F.conv3d(features, self.conv.weight, self.conv.bias, self.conv.stride, (zeros, 1, 1))
        return self.modulated(found, style)


class RisingConv(Modulated):
    """A block over the features of the level below, each voxel taken twice along every axis, and those of the skip."""

    def __init__(self, coarse: int, fine: int, style_size: int) -> None:
        super().__init__(coarse + fine, fine, style_size)

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor, style: torch.Tensor, zeros: int = 1) -> torch.Tensor:
        """Convolve and modulate.

        Args:
            coarse: (B, coarse, …), half as long as `skip` along each axis, rounded up.
            skip: (B, fine, X, Y, Z).
            style: (B, style_size).
            zeros: as for `ModulatedConv`, of both inputs.

        Returns:
            (B, fine, …).
        """
        below, beside = self.conv.weight.split([coarse.shape[1], skip.shape[1]], dim=1)
        found = F.conv3d(skip, beside, self.conv.bias, padding=(zeros, 1, 1))
        return self.modulated(found + convolve_doubled(coarse, below, found.shape[2:], zeros), style)
