"""Public scans: simulated images of public anatomies in public or accounted contrasts. They know no patient."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch

from fl_components.networks.conditions import one_hot, paint
from fl_components.training.batch import Batch
from fl_components.training.embedding import blur, smooth_noise
from fl_components.vocabulary import TUMOUR

_TEXTURE: Final = 0.05
_PATCHES: Final = 0.12
"""SD of a tumour's inside, in each sequence on average: blood, cysts and patchy oedema, which no label shows."""
_BIAS: Final = 0.08
_NOISE: Final = 0.03
_BLUR_VOXELS: Final = 0.6


class Conditions(NamedTuple):
    """What public images are made from: `labels`: (B, X, Y, Z) int64; `contrast`: (B, 30). No patient's."""

    labels: torch.Tensor
    contrast: torch.Tensor


def public_scans(conditions: Conditions, rng: torch.Generator) -> Batch:
    """A scan of each public subject: its painted anatomy with texture, patchy tumours, coil bias, blur and noise.

    Args:
        conditions: anatomies and contrasts.
        rng: of every draw.
    """
    images = paint(one_hot(conditions.labels), conditions.contrast)
    images = images * torch.exp(_BIAS * smooth_noise(images, 10, rng))
    images = images + _TEXTURE * smooth_noise(images, 2, rng) * (images > 0)
    tumour = torch.isin(conditions.labels, torch.tensor(TUMOUR))[:, None]
    through = torch.randn(*images.shape[:2], 1, 1, 1, generator=rng)
    images = images + _PATCHES * through * smooth_noise(images[:, :1], 3, rng) * tumour
    images = blur(images, _BLUR_VOXELS * torch.rand(len(images), generator=rng))
    images = images + _NOISE * torch.randn(images.shape, generator=rng)
    brain = (conditions.labels > 0)[:, None]
    return Batch(images.clamp(0, 1) * brain, conditions.labels, conditions.contrast)
