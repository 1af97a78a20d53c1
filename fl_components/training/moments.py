"""What generated tissues owe to the scan of the same anatomy: means, how a tumour varies, how fine-grained the rest is.

L1 asks for the median of what a voxel may be and for nothing of its spread, so that blood, cysts and patchy oedema,
which no label shows, come out as one even grey between them. Where such a patch lies cannot be known; how much there
is of them, how wide they are and through which sequences they go can be compared without knowing where. So can how much
fine detail a healthy tissue has: a discriminator alone lets noise grow in one sequence or another.
"""

from __future__ import annotations

from typing import Final

import torch

from fl_components.networks.averaging import SOFTER, averaged, averaged_often
from fl_components.vocabulary import HEALTHY, TUMOUR

LEAST: Final = 12
"""Voxels of a tissue below which nothing is said of it."""
_TIMES: Final = 6
"""How often neighbours are averaged: a Gaussian of 1.6 voxels."""
_MARGIN: Final = _TIMES
_UNIT: Final = 0.02
"""Covariance that counts 1, of intensities in [0, 1]: about that of a core of SD .14."""
_FINE_UNIT: Final = 0.001
"""Variance of fine detail that counts 1: an SD of .03."""


def mean_error(expected: torch.Tensor, real: torch.Tensor, anatomy: torch.Tensor) -> torch.Tensor:
    """By how much tissue means are missed: mean absolute difference over sequences and the tissues that are there.

    Args:
        expected: (B, 4, X, Y, Z) generated images without noise.
        real: the scans, likewise.
        anatomy: (B, 7, X, Y, Z) one-hot.
    """
    tissues = anatomy[:, 1:].flatten(2).float()
    count = tissues.sum(dim=2)
    missed = torch.einsum("blv,bcv->blc", tissues, (expected.float() - real.float()).flatten(2))
    there = (count >= LEAST).float()
    error = (missed / count.clamp(min=1)[..., None]).abs().mean(dim=2)
    return (error * there).sum() / there.sum().clamp(min=1)


def grain_error(images: torch.Tensor, real: torch.Tensor, anatomy: torch.Tensor) -> torch.Tensor:
    """By how much the detail of healthy tissue differs from the scan's, in units of an SD of .03.

    Detail is what averaging a voxel with its neighbours takes away, and what doing so again and again takes away of the
    rest. Mean absolute difference of its second moments over both, pairs of sequences, and the healthy tissues that are
    there: what goes through all sequences is anatomy that no label shows, what is in one alone is noise.

    Args:
        images: (B, 4, X, Y, Z) generated, with their noise.
        real: the scans, likewise.
        anatomy: (B, 7, X, Y, Z) one-hot.
    """
    tissues = anatomy[:, list(HEALTHY)].flatten(2).float()
    count = tissues.sum(dim=2)
    made, scanned = (_second_moments(_detail(volume.float()).flatten(3), tissues) for volume in (images, real))
    there = (count >= LEAST).float()
    error = ((made - scanned) / count.clamp(min=1)[..., None, None, None]).abs().mean(dim=(2, 3, 4))
    return (error * there).sum() / there.sum().clamp(min=1) / _FINE_UNIT


def _detail(volume: torch.Tensor) -> torch.Tensor:
    """(B, C, X, Y, Z) to (B, 2, C, X, Y, Z): the finer and the coarser detail of each channel."""
    once = averaged(volume, SOFTER)
    return torch.stack([volume - once, once - averaged_often(once, SOFTER, _TIMES - 1)], dim=1)


def _second_moments(detail: torch.Tensor, tissues: torch.Tensor) -> torch.Tensor:
    """(B, 2, C, V) detail and (B, L, V) tissues to (B, L, 2, C, C): sums over a tissue's voxels of products."""
    return (detail[:, None] * tissues[:, :, None, None]) @ detail[:, None].transpose(-1, -2)


def spread_error(images: torch.Tensor, real: torch.Tensor, anatomy: torch.Tensor) -> torch.Tensor:
    """By how much generated tumours vary otherwise than the scan's, in units of an SD of .14.

    Mean absolute difference of the 4×4 covariances over sequences of intensities about their tissue's mean, for each
    tumour tissue that is there, as they are and averaged with their neighbours: the second moments of a texture and of
    its coarser half (after Gatys et al. 2015, arXiv 1505.07376, whose textures are matched in a network's features).

    Args:
        images: (B, 4, X, Y, Z) generated, with their noise.
        real: the scans, likewise.
        anatomy: (B, 7, X, Y, Z) one-hot.
    """
    errors = [_tissue_spread_error(images[k].float(), real[k].float(), anatomy[k, label] > 0)
              for k in range(len(real)) for label in TUMOUR if int(anatomy[k, label].sum()) >= LEAST]
    return torch.stack(errors).mean() if errors else images.new_zeros(())


def _tissue_spread_error(images: torch.Tensor, real: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    around = tuple(slice(max(int(places.min()) - _MARGIN, 0), int(places.max()) + 1 + _MARGIN)
                   for places in torch.nonzero(inside, as_tuple=True))
    near = inside[around].float()
    return (covariances(images[:, *around], near) - covariances(real[:, *around], near)).abs().mean() / _UNIT


def covariances(images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """(2, 4, 4) covariances of (4, X, Y, Z) images over the voxels of a mask (X, Y, Z): as they are, and averaged."""
    count = inside.sum()
    mean = (images * inside).sum(dim=(1, 2, 3)) / count
    rest = (images - mean[:, None, None, None]) * inside
    smooth = averaged_often(rest[None], SOFTER, _TIMES)[0] * inside
    return torch.stack([field.flatten(1) @ field.flatten(1).T / count for field in (rest, smooth)])
