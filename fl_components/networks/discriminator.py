"""The patch discriminator: it sees the images with the anatomy and the contrast they were made from, or with less."""

from __future__ import annotations

from typing import Final

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn import functional as F

from fl_components.networks.conditions import ORIGIN, Shape, healthy_as_one, paint, positions
from fl_components.vocabulary import HEALTHY, N_LABELS, SEQUENCES

RESIDUAL_GAIN: Final = 8.0
"""Texture is a few hundredths of the intensity range beside one-hot labels of size 1. Unscaled, a discriminator did
not tell scans from their 3×3×3 means within 120 steps (loss .25, chance); scaled, its loss was .01."""


class Discriminator(nn.Module):
    """MONAI's 3D patch discriminator (Isola et al. 2017, arXiv 1611.07004) conditioned like the generator.

    It is given the images, the anatomy, and the amplified residual of the images: to the painted anatomy, or, without
    the contrast as input, to the images' own local mean.

    In a private study its two sides have different anatomies: patients', labelled by the site, and public ones. Shown
    CSF, grey and white matter it could tell the sides by how they were labelled; told of brain and tumour alone, and
    not of the contrast, which would give the labels away again, it has to look at images.

    Args:
        channels: features of the first layer; each further layer doubles them.
        layers: strided layers, which set the patch's size.
        contrast_input: whether the contrast is used.
        extent: shape of the study's grid, if the network is told where on it a voxel lies.
        private: whether it is of a private study.
    """

    def __init__(self, channels: int, layers: int, contrast_input: bool = True, extent: Shape | None = None,
                 private: bool = False) -> None:
        super().__init__()
        self.contrast_input = contrast_input and not private
        self.extent = extent
        self.private = private
        labels = N_LABELS - len(HEALTHY) + 1 if private else N_LABELS
        places = 0 if extent is None else len(extent)
        self.patches = PatchDiscriminator(
            spatial_dims=3, channels=channels, in_channels=2 * len(SEQUENCES) + labels + places, out_channels=1,
            num_layers_d=layers, norm=("INSTANCE", {"affine": True}))
        for module in self.patches.modules():
            if isinstance(module, nn.Conv3d):  # MONAI starts at N(0, .02), from which a short training never leaves
                module.reset_parameters()

    def forward(self, images: torch.Tensor, anatomy: torch.Tensor, contrast: torch.Tensor,
                origin: Shape = ORIGIN) -> torch.Tensor:
        """Score every patch: (B, 1, …), high for real. What is scored begins at voxel `origin` of the grid."""
        reference = paint(anatomy, contrast) if self.contrast_input else local_mean(images)
        residual = RESIDUAL_GAIN * (images - reference)
        shown = healthy_as_one(anatomy) if self.private else anatomy
        places = [] if self.extent is None else [positions(anatomy, origin, self.extent)]
        return self.patches(torch.cat([images, residual, shown, *places], dim=1))[-1]


def local_mean(images: torch.Tensor) -> torch.Tensor:
    """Mean over 3×3×3 voxels, the border repeated. Axis by axis: torch's pooling took five times as long."""
    mean = F.pad(images, (1,) * 6, mode="replicate")
    for axis in (2, 3, 4):
        size = mean.shape[axis] - 2
        mean = mean.narrow(axis, 0, size) + mean.narrow(axis, 1, size) + mean.narrow(axis, 2, size)
    return mean / 27
