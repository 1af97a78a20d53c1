"""Public training of generator and discriminator on simulated subjects alone, for private studies to begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from fl_components.networks.build import build_networks
from fl_components.networks.conditions import one_hot, paint
from fl_components.networks.precision import choose_precision
from fl_components.study import Study
from fl_components.training.batch import Batch
from fl_components.training.embedding import blur, smooth_noise
from fl_components.training.gan_step import GanStep, Losses
from fl_components.training.private.public import PublicSubjects
from fl_components.training.private.step import Conditions
from fl_components.vocabulary import TUMOUR

POOL: Final = 48
_TEXTURE: Final = 0.05
_PATCHES: Final = 0.12
"""SD of a tumour's inside, in each sequence on average: blood, cysts and patchy oedema, which no label shows."""
_BIAS: Final = 0.08
_NOISE: Final = 0.03
_BLUR_VOXELS: Final = 0.6


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


def train_publicly(study: Study, seed: int, steps: int,
                   on_step: Callable[[int, Losses], None] | None = None) -> nn.ModuleDict:
    """Train both networks of a study's sizes, by the step of the empirical mode, on public subjects of any contrast.

    The same arguments give the same weights on the same machine with as many threads.

    Args:
        study: sizes, grid and recipe.
        seed: of the subjects, the first weights and every draw.
        steps: how many.
        on_step: called after each with how many are done and its losses.

    Returns:
        `generator` and `discriminator`, on the CPU.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed + 1)
    generator, discriminator = build_networks(study, seed, private=True)
    step = GanStep(generator, discriminator, study.training, choose_precision(study.training.precision))
    subjects = PublicSubjects(study.grid, POOL, seed, study.synthesis.tumour_share)
    for done in range(1, steps + 1):
        drawn = subjects.draw(study.training.batch_size, study.training.augmentation, rng)
        losses = step(public_scans(drawn, rng), rng)
        if on_step is not None:
            on_step(done, losses)
    return nn.ModuleDict({"generator": generator.cpu(), "discriminator": discriminator.cpu()})
