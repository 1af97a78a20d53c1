"""The six training sets of the augmentation table: real, synthetic, mixed, and a tenth of the real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch

from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.training.batch import Batch, shuffled_batches
from privacy_eval.errors import InputError

Source = Literal["real", "tenth", "synthetic"]
"""All members, a tenth of them, or the synthetic subjects."""
TrainingSet = Literal["real", "real + synthetic", "synthetic only", "synthetic only, then 10 % real", "10 % real",
                      "10 % real + synthetic"]

BATCH_SIZE: Final = 4
"""Subjects of a step. A Dice loss of one subject knows nothing of a region that it lacks, and is noise of one tumour of
the rest: as many subjects taken one by one teach a segmenter less."""
SHARE: Final = 0.1
"""Of the members, in the sets that have few real ones."""
FINE_TUNING: Final = 0.25
"""Share of the steps, the last, that are on real subjects after synthetic ones."""
GENTLE: Final = 0.25
"""Highest learning rate of those steps, as a share of the others'."""
_TENTH, _ORDER = 1, 2
"""First words of the seeds of who is in the tenth, and of the order of subjects."""


@dataclass(frozen=True)
class Phase:
    """A part of a training.

    Attributes:
        sources: what batches are drawn from; of two, in turns, so that half of the steps are on either however many
            subjects each has.
        share: of the training's steps.
        rate: highest learning rate, as a share of the usual one.
    """

    sources: tuple[Source, ...]
    share: float = 1.0
    rate: float = 1.0


TRAINING_SETS: Final[dict[TrainingSet, tuple[Phase, ...]]] = {
    "real": (Phase(("real",)),),
    "real + synthetic": (Phase(("real", "synthetic")),),
    "synthetic only": (Phase(("synthetic",)),),
    "synthetic only, then 10 % real": (Phase(("synthetic",), 1 - FINE_TUNING), Phase(("tenth",), FINE_TUNING, GENTLE)),
    "10 % real": (Phase(("tenth",)),),
    "10 % real + synthetic": (Phase(("tenth", "synthetic")),),
}
"""All of them take the same number of steps, so that none is better for having been trained longer."""


def phase_steps(phases: Sequence[Phase], steps: int) -> list[int]:
    """Steps of each phase: whole, at least one, together `steps`.

    Raises:
        InputError: if there are fewer steps than phases.
    """
    if steps < len(phases):
        raise InputError(f"{steps} training step(s), expected at least {len(phases)}: one a phase; give more")
    ends = [round(steps * sum(phase.share for phase in phases[:k + 1])) for k in range(len(phases) - 1)]
    ends = [min(max(end, k + 1), steps - (len(phases) - 1 - k)) for k, end in enumerate(ends)]
    return [int(part) for part in np.diff([0, *ends, steps])]


def tenth(members: Sequence[Subject], seed: int) -> list[Subject]:
    """A tenth of the members, at least one, drawn by the seed alone: the same in every set and every round."""
    count = max(1, round(SHARE * len(members)))
    chosen = np.random.default_rng([seed, _TENTH]).permutation(len(members))[:count]
    return [members[k] for k in sorted(chosen)]


def phase_batches(phase: Phase, members: Sequence[Subject], synthetic: Sequence[Subject], seed: int,
                  round_number: int = 0) -> Iterator[Batch]:
    """Endless batches of `BATCH_SIZE` subjects.

    Args:
        phase: what to draw from.
        members: real subjects; they may be none where the phase takes none.
        synthetic: synthetic subjects, likewise.
        seed: of who is in the tenth and of the order.
        round_number: of a federation: each round has an order of its own.

    Raises:
        InputError: if the phase draws from subjects that are not there.
    """
    pools = {"real": members, "tenth": tenth(members, seed) if len(members) else [], "synthetic": synthetic}
    for source in phase.sources:
        if not len(pools[source]):
            raise InputError(f"a training set of {' and '.join(phase.sources)} subjects: no "
                             f"{'synthetic' if source == 'synthetic' else 'real'} ones given, expected at least one")
    words = np.random.default_rng([seed, _ORDER, round_number]).integers(2**62, size=len(phase.sources))
    draws = [shuffled_batches(pools[source], BATCH_SIZE, torch.Generator().manual_seed(int(word)))
             for source, word in zip(phase.sources, words, strict=True)]
    return _in_turns(draws)


def _in_turns(draws: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    while True:
        for draw in draws:
            yield next(draw)


def synthetic_subjects(volumes: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Subject]:
    """Images (4, X, Y, Z) and anatomies (X, Y, Z) as subjects to train on, their contrast measured."""
    return [Subject(f"synthetic-{k}", images, labels, measure_contrast(images, labels))
            for k, (images, labels) in enumerate(volumes)]
