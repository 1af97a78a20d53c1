"""The patch discriminator: it sees the images with the anatomy and the contrast they were made from."""

from __future__ import annotations

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn

from fl_components.networks.conditions import paint
from fl_components.vocabulary import N_LABELS, SEQUENCES


class Discriminator(nn.Module):
    """MONAI's 3D patch discriminator (Isola et al. 2017, arXiv 1611.07004) conditioned like the generator.

    Args:
        channels: features of the first layer; each further layer doubles them.
        layers: strided layers, which set the patch's size.
        contrast_input: whether the painted anatomy is given beside the one-hot.
    """

    def __init__(self, channels: int, layers: int, contrast_input: bool = True) -> None:
        super().__init__()
        self.contrast_input = contrast_input
        inputs = len(SEQUENCES) + N_LABELS + (len(SEQUENCES) if contrast_input else 0)
        self.patches = PatchDiscriminator(
            spatial_dims=3, channels=channels, in_channels=inputs, out_channels=1, num_layers_d=layers,
            norm=("INSTANCE", {"affine": True}))

    def forward(self, images: torch.Tensor, anatomy: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
        """Score every patch: (B, 1, …), high for real."""
        conditions = [anatomy, paint(anatomy, contrast)] if self.contrast_input else [anatomy]
        return self.patches(torch.cat([images, *conditions], dim=1))[-1]
