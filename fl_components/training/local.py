"""Local training at one site: some GAN steps on its members, with the state kept in the site's own folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.study import Study
from fl_components.training.augment import augment
from fl_components.training.batch import shuffled_batches
from fl_components.training.gan_step import GanStep, Losses
from fl_components.training.states import load_state, save_state
from fl_components.training.window import Window


class LocalResult(NamedTuple):
    """`update`: new minus received weights; `losses`: means over the steps of this task; `precision`: what ran."""

    update: Weights
    losses: Losses
    steps: int
    precision: str


class LocalTrainer:
    """Trains the received generator against the site's own discriminator.

    Args:
        study: recipe and sizes.
        members: the subjects trained on.
        states: folder of the discriminator and the optimisers after each round (`fl_components.training.states`).
        seed: of the discriminator's start, the order of subjects, augmentation and noise.
    """

    def __init__(self, study: Study, members: Sequence[Subject], states: Path, seed: int) -> None:
        self.study, self.members, self.states, self.seed = study, members, states, seed
        self.precision = choose_precision(study.training.precision)

    def train(self, weights: Weights, round_number: int, steps: int,
              on_step: Callable[[int], None] | None = None) -> LocalResult:
        """Run one task.

        It starts from the newest state of an earlier round, or from a fresh discriminator if there is none: a round
        that is asked again gives the same result, a site that missed rounds goes on from where it was.

        Args:
            weights: the global generator.
            round_number: counted from 0.
            steps: GAN steps to run.
            on_step: called with the number of steps done.

        Raises:
            InputError: if the state to go on from is damaged.
        """
        torch.manual_seed(self.seed + round_number)
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + round_number)
        generator = load_weights(build_generator(self.study), weights)
        step = GanStep(generator, build_discriminator(self.study, self.seed), self.study.training, self.precision)
        if (earlier := load_state(self.states, round_number)) is not None:
            step.load_state(earlier)
        losses = self._run(step, steps, rng, on_step)
        save_state(self.states, round_number + 1, step.state())
        trained = weights_of(generator)
        update = {name: trained[name] - weights[name] for name in weights}
        return LocalResult(update, losses, steps, self.precision.name)

    def _run(self, step: GanStep, steps: int, rng: torch.Generator, on_step: Callable[[int], None] | None) -> Losses:
        settings = self.study.training
        history: list[Losses] = []
        for batch in shuffled_batches(self.members, settings.batch_size, rng):
            window = Window.draw(self.study.grid, settings.patch, rng)
            batch = window.cut(batch) if settings.augmentation is None else augment(
                batch, settings.augmentation, self.study.grid, rng, window)
            history.append(step(batch, rng, window.origin))
            if on_step is not None:
                on_step(len(history))
            if len(history) == steps:
                break
        return Losses(*(float(value) for value in np.mean(np.array(history), axis=0)))
