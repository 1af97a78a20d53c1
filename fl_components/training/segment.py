"""Training of a segmenter: the whole of it, or one round of a federation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import torch
from monai.losses import DiceLoss, PatchAdversarialLoss
from torch import nn
from torch.nn import functional as F

from fl_components.networks.precision import Precision
from fl_components.networks.segmenter import Architecture, build_critic, build_segmenter, memberships
from fl_components.networks.weights import Weights, load_weights
from fl_components.study import Augmentation, Grid
from fl_components.training.augment import as_another_scan
from fl_components.training.batch import Batch

RATE: Final = 4e-3
"""Highest learning rate of AdamW."""
_LARGEST_GRADIENT: Final = 1.0
"""L2 norm to which a step's gradient is scaled down. Without it one step in some hundred empties all regions, after
which the Dice loss has no gradient to bring them back."""
_RISE: Final = 0.3
"""Share of the steps over which the learning rate rises; then it falls. Both along a cosine, as in one-cycle."""
_LOWEST: Final = 0.04
"""Learning rate at the start, as a share of the highest."""
_ADVERSARIAL: Final = 0.1
"""Weight of the adversarial loss beside Dice loss and cross entropy, which stand where pix2pix has 100 times L1."""
_CRITIC_RATE: Final = 2e-4


@dataclass(frozen=True)
class Stage:
    """Which steps of which training a call takes.

    Attributes:
        steps: batches to train on now.
        before: steps already taken, in earlier rounds.
        total: of the whole training, along which the learning rate rises and falls; `before + steps` if None.
        rate: highest learning rate.
        round_number: from 0; with the seed it decides every draw.
    """

    steps: int
    before: int = 0
    total: int | None = None
    rate: float = RATE
    round_number: int = 0

    def rate_at(self, done: int) -> float:
        """Learning rate after `done` of this call's steps."""
        place = (self.before + done) / (self.total or self.before + self.steps)
        rising = place < _RISE
        height = math.sin(math.pi / 2 * (place / _RISE if rising else (1 - place) / (1 - _RISE))) ** 2
        return self.rate * (_LOWEST + (1 - _LOWEST) * height if rising else height)


def train_segmenter(architecture: Architecture, batches: Iterator[Batch], stage: Stage,
                    augmentation: Augmentation | None, grid: Grid, precision: Precision, seed: int,
                    on_step: Callable[[int], None] | None = None, start: Weights | None = None,
                    critic: nn.Module | None = None) -> nn.Module:
    """Train a segmenter, or go on training one; the same arguments give the same weights on the same machine.

    The loss is the sum of Dice loss and cross entropy of each region; of "pix2pix" also the conditional adversarial
    loss (least squares) against a patch discriminator that sees images and probabilities of regions.

    Args:
        architecture: of the segmenter.
        batches: endless training data.
        stage: the steps, and where in a longer training they are.
        augmentation: warps as in the GAN's training, and every sequence brighter or darker; none if None.
        grid: of the images.
        precision: where and in which format to run.
        seed: of the network's start, the critic's and the augmentation.
        on_step: called with the number of this call's steps done.
        start: parameters to go on from; those of `build_segmenter` if None.
        critic: of "pix2pix", changed in place, so that a site can keep it between rounds; a new one if None.

    Returns:
        The network, in evaluation mode; `weights_of` gives its parameters.
    """
    network = build_segmenter(architecture, seed)
    if start is not None:
        load_weights(network, start)
    trainer = _Trainer(precision.place(network).train(), precision, _critic(architecture, critic, seed, precision))
    rng = torch.Generator().manual_seed(int(np.random.default_rng([seed, stage.round_number]).integers(2**62)))
    for done, batch in enumerate(islice(batches, stage.steps), 1):
        if augmentation is not None:
            batch = as_another_scan(batch, augmentation, grid, rng)
        trainer.step(batch, stage.rate_at(done - 1))
        if on_step is not None:
            on_step(done)
    return network.eval()


def _critic(architecture: Architecture, critic: nn.Module | None, seed: int, precision: Precision) -> nn.Module | None:
    if architecture != "pix2pix":
        return None
    return precision.place(build_critic(seed) if critic is None else critic).train()


class _Trainer:
    """The step of either architecture."""

    def __init__(self, network: nn.Module, precision: Precision, critic: nn.Module | None) -> None:
        self.network, self.precision, self.critic = network, precision, critic
        self.optimiser = torch.optim.AdamW(network.parameters(), RATE)
        self.dice_loss = DiceLoss(sigmoid=True, batch=True)
        self.adversarial = PatchAdversarialLoss(criterion="least_squares")
        if critic is not None:
            self.critic_optimiser = torch.optim.Adam(critic.parameters(), _CRITIC_RATE, (0.5, 0.999))

    def step(self, batch: Batch, rate: float) -> None:
        """One update of the network, and before it of the critic."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        truth = memberships(batch.labels).to(self.precision.device)
        images = self.precision.lay_out(batch.images)
        with self.precision.autocast():
            scores = self.network(images).float()
        loss = self.dice_loss(scores, truth) + F.binary_cross_entropy_with_logits(scores, truth)
        if self.critic is not None:
            loss = loss + _ADVERSARIAL * self._against(self.critic, images, scores.sigmoid(), truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()

    def _against(self, critic: nn.Module, images: torch.Tensor, found: torch.Tensor,
                 truth: torch.Tensor) -> torch.Tensor:
        """Update the critic, then the adversarial loss of what was found."""
        def judge(segmentation: torch.Tensor) -> torch.Tensor:
            with self.precision.autocast():
                judged: torch.Tensor = critic(torch.cat([images, segmentation], dim=1))[-1]
            return judged.float()

        critic_loss = 0.5 * (self.adversarial(judge(truth), target_is_real=True, for_discriminator=True)
                             + self.adversarial(judge(found.detach()), target_is_real=False, for_discriminator=True))
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()
        self.critic_optimiser.step()
        critic.requires_grad_(False)
        loss: torch.Tensor = self.adversarial(judge(found), target_is_real=True, for_discriminator=False)
        critic.requires_grad_(True)
        return loss
