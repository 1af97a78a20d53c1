"""What both networks are conditioned on, as tensors."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch.nn import functional as F

from fl_components.contrast import Contrast
from fl_components.networks.averaging import SOFT, averaged
from fl_components.vocabulary import HEALTHY, N_LABELS, N_TISSUES, SEQUENCES, TUMOUR

Shape = tuple[int, int, int]
ORIGIN: Final[Shape] = (0, 0, 0)


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    """(B, X, Y, Z) int64 labels to (B, 7, X, Y, Z) float32."""
    return F.one_hot(labels, N_LABELS).movedim(-1, 1).float()


def healthy_as_one(anatomy: torch.Tensor) -> torch.Tensor:
    """(B, 7, X, Y, Z) one-hot to (B, 5, …): background, healthy tissue of any kind, and the tumour's tissues."""
    healthy = anatomy[:, list(HEALTHY)].sum(dim=1, keepdim=True)
    return torch.cat([anatomy[:, :1], healthy, anatomy[:, list(TUMOUR)]], dim=1)


def paint(anatomy: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """Every voxel's tissue mean: the lookup table (`fl_components.contrast.paint`) as a tensor.

    Args:
        anatomy: (B, 7, X, Y, Z) one-hot, or soft memberships.
        contrast: (B, 30) contrast vectors (`Contrast.vector`).

    Returns:
        (B, 4, X, Y, Z); background 0.
    """
    means = contrast[:, : N_TISSUES * len(SEQUENCES)].unflatten(1, (N_TISSUES, len(SEQUENCES)))
    return torch.einsum("blxyz,blc->bcxyz", anatomy[:, 1:], means)


def paint_softly(anatomy: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """The painted anatomy with borders as a scan's are: a voxel averages what it and its neighbours hold of the brain.

    A scanner's voxels straddle tissues; painted labels end in steps, which a detector sees at once.

    Args:
        anatomy: (B, 7, X, Y, Z) one-hot, or soft memberships.
        contrast: (B, 30) contrast vectors.

    Returns:
        (B, 4, X, Y, Z); background 0, and none of it in the averages.
    """
    brain = 1 - anatomy[:, :1]
    return brain * averaged(paint(anatomy, contrast), SOFT) / averaged(brain, SOFT).clamp(min=SOFT**3)


def painted_volume(labels: np.ndarray, contrast: Contrast) -> np.ndarray:
    """The lookup table with soft borders, of one subject: (X, Y, Z) labels to (4, X, Y, Z) float32."""
    anatomy = one_hot(torch.from_numpy(labels)[None].long())
    return paint_softly(anatomy, torch.from_numpy(contrast.vector())[None])[0].numpy()


def positions(like: torch.Tensor, origin: Shape, extent: Shape) -> torch.Tensor:
    """Where the voxels of a patch lie on the study's grid, which is centred on the template's brain.

    Args:
        like: (B, …, X, Y, Z), of whose batch, sizes and device the result is.
        origin: index of the patch's first voxel.
        extent: the grid's shape.

    Returns:
        (B, 3, X, Y, Z) float32: -1 at the first voxel of the grid along an axis, 1 at the last.
    """
    axes = [2 * (torch.arange(size, device=like.device) + first) / max(whole - 1, 1) - 1
            for size, first, whole in zip(like.shape[2:], origin, extent, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(len(like), -1, -1, -1, -1)
