"""One round of an arm at a site: which subjects, which steps, which learning rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from torch import nn

from fl_components.cohort.subject import Subject
from fl_components.evaluation.arms import Arm
from fl_components.evaluation.training_sets import TRAINING_SETS, Phase, phase_batches, phase_steps
from fl_components.networks.precision import Precision
from fl_components.networks.segmenter import build_critic
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Augmentation, Study
from fl_components.training.segment import RATE, Stage, train_segmenter


class Part(NamedTuple):
    """The phase that a round lies in, how many of its rounds are done, and how many it has."""

    phase: Phase
    done: int
    rounds: int


def part_of(arm: Arm, within: int, rounds: int) -> Part:
    """Where a round of an arm, counted from 0, lies: phases of a training set change between rounds, never within."""
    phases = TRAINING_SETS[arm.trained_on]
    lengths = phase_steps(phases, rounds)
    starts = [0, *accumulate(lengths)]
    index = max(k for k in range(len(phases)) if starts[k] <= within)
    return Part(phases[index], within - starts[index], lengths[index])


@dataclass
class ArmTrainer:
    """Trains one arm's segmenter at one site, a round at a time; what never leaves is kept here.

    Attributes:
        study: recipe and sizes.
        arm: what is trained.
        members: the site's real subjects to train on.
        synthetic: the release's.
        seed: of the order of subjects, their tenth and the augmentation; the site's own.
        precision: where and in which format to run.
    """

    study: Study
    arm: Arm
    members: Sequence[Subject]
    synthetic: Sequence[Subject]
    seed: int
    precision: Precision

    def __post_init__(self) -> None:
        self._critic: nn.Module | None = build_critic(self.seed) if self.arm.segmenter == "pix2pix" else None

    def train(self, weights: Weights, within: int, on_step: Callable[[int], None]) -> Weights:
        """The change that a round's steps make to the weights.

        Args:
            weights: the global segmenter.
            within: the round of the arm, counted from 0.
            on_step: called with the number of steps done.
        """
        settings, part = self.study.evaluation, part_of(self.arm, within, self.study.evaluation.rounds)
        stage = Stage(settings.steps, part.done * settings.steps, part.rounds * settings.steps, RATE * part.phase.rate,
                      within)
        batches = phase_batches(part.phase, self.members, self.synthetic, self.seed, within)
        augmentation = (self.study.training.augmentation or Augmentation()) if self.arm.augmented else None
        trained = weights_of(train_segmenter(
            self.arm.segmenter, batches, stage, augmentation, self.study.grid, self.precision, self.seed, on_step,
            weights, self._critic))
        return {name: trained[name] - weights[name] for name in weights}
