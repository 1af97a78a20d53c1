"""What both networks are conditioned on, as tensors."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from fl_components.vocabulary import N_LABELS, N_TISSUES, SEQUENCES


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    """(B, X, Y, Z) int64 labels to (B, 7, X, Y, Z) float32."""
    return F.one_hot(labels, N_LABELS).movedim(-1, 1).float()


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
