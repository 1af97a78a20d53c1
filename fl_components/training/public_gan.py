"""Public training of generator and discriminator on simulated subjects alone, for private studies to begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from fl_components.networks.build import build_networks
from fl_components.networks.precision import choose_precision
from fl_components.study import Study
from fl_components.training.gan_step import GanStep, Losses
from fl_components.training.private.public import PublicSubjects
from fl_components.training.public_scan import public_scans

POOL: Final = 48


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
