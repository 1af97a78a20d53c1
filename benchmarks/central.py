"""Central training: what hospitals that pooled all their members would get. A research control, never a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.aggregation import blended
from fl_components.study import Study
from fl_components.training.local import LocalTrainer


def central_training(study: Study, members: Sequence[Subject], steps: int, seed: int, states: Path,
                     on_step: Callable[[int], None] | None = None) -> Weights:
    """Train the study's generator on pooled members in this process, with torch's threads as they are.

    The steps are divided into the study's number of rounds, after each of which the same exponential average is taken
    as the server takes of the federation's averages: what differs is federating alone.

    Args:
        study: recipe, sizes, start of the generator.
        members: everybody trained on.
        steps: GAN steps in total; equal to a federation's at sites × rounds × local_steps.
        seed: of the discriminator's start, the order of members, augmentation and noise.
        states: folder of the discriminator and the optimisers after each round.
        on_step: called with the number of steps done.

    Returns:
        The smoothed generator's parameters.
    """
    trainer = LocalTrainer(study, members, states, seed)
    weights = weights_of(build_generator(study))
    smoothed, done = weights, 0
    for round_number, part in enumerate(_parts(steps, study.training.rounds)):
        counted = None if on_step is None else _counting_from(done, on_step)
        update = trainer.train(weights, round_number, part, counted).update
        weights = {name: weights[name] + update[name] for name in weights}
        smoothed = blended(smoothed, weights, study.training.ema_decay) if round_number else weights
        done += part
    return smoothed


def _parts(steps: int, rounds: int) -> list[int]:
    """Sizes of as equal parts as whole steps allow; none is empty."""
    return [len(part) for part in np.array_split(np.arange(steps), min(rounds, steps))]


def _counting_from(done: int, on_step: Callable[[int], None]) -> Callable[[int], None]:
    return lambda step: on_step(done + step)
