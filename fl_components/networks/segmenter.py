"""The segmenters that tell what images are worth: four sequences to BraTS's three regions of a tumour.

A network says of each region whether a voxel is in it, as the winners of BraTS do (Jiang et al. 2020, Isensee et al.
2021, arXiv 2011.00848): the regions are what is scored, and each is several times larger than the rarest class in it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
import torch
from monai.networks.nets import PatchDiscriminator, SegResNet, UNet
from torch import nn
from torch.nn import functional as F

from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, REGIONS, SEQUENCES

Architecture = Literal["segresnet", "pix2pix"]
"""MONAI's SegResNet, or a U-Net that is trained against a patch discriminator, as pix2pix is."""
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)

_INNERMOST: Final = {"whole tumour": OEDEMA, "core": NECROTIC, "enhancing": ENHANCING}
"""Anatomy label of a voxel by the last of the regions that it is in."""

_RARE: Final = (-3.0, -4.0, -4.5)
"""Score of each region at the start: the logarithm of about how rare it is among a grid's voxels. From even odds a
training spends its first hundreds of steps on emptying regions, and may not come back (Lin et al. 2017, 1708.02002)."""
_DIVISOR: Final = 8
_NORM: Final = ("INSTANCE", {"affine": True})


class Padded(nn.Module):
    """A network on grids of any size: padded with 0 to sides that it can halve, its scores cropped again."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 4, X, Y, Z) in [0, 1] to (B, 3, X, Y, Z) scores of `REGIONS`."""
        shape = images.shape[2:]
        # At least two voxels a side at the coarsest level, or there is nothing to normalise by.
        padding = [amount for length in reversed(shape)
                   for amount in (0, max(-length % _DIVISOR, 2 * _DIVISOR - length))]
        scores: torch.Tensor = self.network(F.pad(images, padding))
        return scores[:, :, :shape[0], :shape[1], :shape[2]]


def build_segmenter(architecture: Architecture, seed: int) -> nn.Module:
    """An untrained segmenter, the same for the same seed: (B, 4, X, Y, Z) images to scores of `REGIONS`, above 0 where
    a voxel is rather in the region than not.

    "segresnet" is MONAI's SegResNet (Myronenko 2018, arXiv 1810.11654) in its smallest form, "pix2pix" a U-Net with
    skips (Isola et al. 2017, arXiv 1611.07004; Shin et al. 2018, arXiv 1807.10225, used it in 3D for MRI → label). Both
    normalise by instance: no running statistics, which would carry a site's population out with the weights, and
    no group normalisation, whose backward pass takes most of the time on a CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "segresnet":
            return Padded(_expecting_few(SegResNet(
                init_filters=8, in_channels=len(SEQUENCES), out_channels=len(REGIONS), blocks_down=(1, 1, 1),
                blocks_up=(1, 1), norm=_NORM)))
        return Padded(_expecting_few(UNet(
            spatial_dims=3, in_channels=len(SEQUENCES), out_channels=len(REGIONS), channels=(8, 16, 32, 64),
            strides=(1, 2, 2), act="LEAKYRELU", norm=_NORM)))


def _expecting_few(network: nn.Module) -> nn.Module:
    """The network with `_RARE` as the bias of its last layer."""
    last = [module for module in network.modules() if isinstance(module, nn.Conv3d | nn.ConvTranspose3d)][-1]
    if last.bias is None or last.bias.shape != (len(_RARE),):
        raise TypeError(f"{type(network).__name__}'s last layer is no layer of {len(_RARE)} scores with a bias")
    with torch.no_grad():
        last.bias.copy_(torch.tensor(_RARE))
    return network


def build_critic(seed: int) -> nn.Module:
    """pix2pix's discriminator: (B, 7, X, Y, Z), images and probabilities of regions, to scores of patches.

    Scores are high for real ones. It has seen scans and their masks: like the GAN's discriminator it never leaves its
    site.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = PatchDiscriminator(
            spatial_dims=3, channels=8, in_channels=len(SEQUENCES) + len(REGIONS), out_channels=1, num_layers_d=2,
            norm=_NORM)
        for module in critic.modules():
            if isinstance(module, nn.Conv3d):  # MONAI starts at N(0, .02), from which a short training never leaves
                module.reset_parameters()
        return critic


def memberships(labels: torch.Tensor) -> torch.Tensor:
    """(B, X, Y, Z) int64 anatomy labels to (B, 3, X, Y, Z) float32, 1 where a voxel is in a region."""
    return torch.stack([torch.isin(labels, torch.tensor(region)) for region in REGIONS.values()], dim=1).float()


def labels_found(scores: torch.Tensor) -> np.ndarray:
    """(3, X, Y, Z) scores to (X, Y, Z) uint8 anatomy labels of the tumour, 0 elsewhere.

    A region counts only within the one before: a voxel of "enhancing" that is in no core is none.
    """
    found = np.zeros(scores.shape[1:], np.uint8)
    inside = np.ones(scores.shape[1:], bool)
    for score, label in zip(scores.float().cpu().numpy(), (_INNERMOST[name] for name in REGIONS), strict=True):
        inside &= score > 0
        found[inside] = label
    return found
