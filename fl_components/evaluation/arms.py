"""The arms of an evaluation: which segmenter is trained on what, in which rounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fl_components.evaluation.settings import REAL, Segmenter, TrainedOn
from fl_components.study import Study
from privacy_eval.errors import InputError


@dataclass(frozen=True)
class Arm:
    """One segmenter to be trained and scored; `augmented`: with the augmentation of the generator's training."""

    segmenter: Segmenter
    augmented: bool
    seed: int
    trained_on: TrainedOn

    @property
    def reference(self) -> Arm:
        """The arm it is compared with: the same on real subjects."""
        return replace(self, trained_on=REAL)


def arms_of(study: Study) -> tuple[Arm, ...]:
    """All arms, each after its reference, and after itself with earlier seeds."""
    settings = study.evaluation
    sets = (settings.sets[settings.sets.index(REAL)], *(name for name in settings.sets if name != REAL))
    return tuple(Arm(segmenter, augmented, seed, name) for segmenter in settings.segmenters
                 for augmented in settings.augmentation for seed in settings.seeds for name in sets)


def arm_of(study: Study, round_number: int) -> tuple[Arm, int]:
    """Which arm a round is of, and which of its rounds, both counted from 0 over all arms: no message names an arm.

    Raises:
        InputError: if the study has no such round.
    """
    index, within = divmod(round_number, study.evaluation.rounds)
    arms = arms_of(study)
    if not 0 <= index < len(arms):
        raise InputError(f"round {round_number + 1}: the study's evaluation has "
                         f"{len(arms) * study.evaluation.rounds}; the server asks for more than was agreed on")
    return arms[index], within


def first_rounds(study: Study) -> list[int]:
    """A round of each segmenter, in the order of the arms."""
    segmenters = [arm.segmenter for arm in arms_of(study)]
    return [segmenters.index(name) * study.evaluation.rounds for name in study.evaluation.segmenters]
