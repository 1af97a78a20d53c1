"""The plan of worth and leakage: how a generator is trained, one factor varied at a time from the study's recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.controls_images import BY_HEART
from fl_components.study import Augmentation, Study
from privacy_eval.errors import InputError


@dataclass(frozen=True)
class Cell:
    """One training of the generator, or a baseline.

    Attributes:
        factor: what differs from the study's recipe.
        value: and how, in words.
        length: of the training, in the study's steps.
        width: channels of generator and discriminator, in the study's.
        augmentation: its strength, in the study's; 0 is none.
        members: trained on, a site; None is all.
        by_heart: with the settings under which a generator memorises (`benchmarks.controls_images`).
    """

    factor: str
    value: str
    length: float = 1.0
    width: float = 1.0
    augmentation: float = 1.0
    members: int | None = None
    by_heart: bool = False

    @property
    def name(self) -> str:
        """Of its file."""
        return "__".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in (self.factor, self.value))


RECIPE: Final = Cell("recipe", "the study's")
REAL: Final = Cell("baseline", "real members")
LOOKUP: Final = Cell("baseline", "lookup table")
BASELINES: Final = (REAL, LOOKUP)
"""No generator: the members themselves, and the release's anatomies painted with the contrasts drawn for them."""


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything.

    Attributes:
        tests: test subjects a site, at most; None is all.
        volumes: of each release, at most.
        steps: of every segmenter.
        seeds: segmenters a cell.
    """

    tests: int | None = None
    volumes: int = 150
    steps: int = 600
    seeds: int = 3


WHOLE: Final = Sizes()
QUICK: Final = Sizes(tests=8, volumes=60, steps=300, seeds=1)


def full_plan() -> list[Cell]:
    """Baselines and eleven generators; what says most comes first, so that a run that is stopped has it."""
    return [*BASELINES, RECIPE,
            Cell("by heart", "10 members a site", members=10, by_heart=True),
            Cell("augmentation", "none", augmentation=0), Cell("length", "× 1/4", length=1 / 4),
            Cell("members", "10 a site", members=10), Cell("length", "× 4", length=4),
            Cell("width", "× 1/2", width=1 / 2), Cell("width", "× 2", width=2),
            Cell("members", "25 a site", members=25), Cell("augmentation", "× 2", augmentation=2),
            Cell("length", "× 8", length=8)]


def quick_plan() -> list[Cell]:
    """Seven cells: as the study says, the lookup table, by heart, and each factor once, where it costs no more than the
    recipe. By heart long enough to memorise: 560 steps on twenty members were not."""
    return [RECIPE, LOOKUP, Cell("length", "× 1/4", length=1 / 4),
            Cell("by heart", "3 members a site", length=1.5, members=3, by_heart=True),
            Cell("members", "10 a site", members=10), Cell("augmentation", "none", augmentation=0),
            Cell("width", "× 1/2", width=1 / 2)]


def study_of(cell: Cell, study: Study) -> Study:
    """The study with the cell's recipe; at least one step a round.

    Raises:
        InputError: if the augmentation would be stronger than there is.
    """
    training, network = study.training, study.network
    changed: dict[str, Any] = {"augmentation": _strengthened(training.augmentation, cell.augmentation)}
    if cell.by_heart:
        changed |= BY_HEART
    steps = cell.length * training.rounds * training.local_steps
    changed["local_steps"] = max(1, round(steps / changed.get("rounds", training.rounds)))
    wide = {"generator_channels": tuple(_times(n, cell.width) for n in network.generator_channels),
            "discriminator_channels": _times(network.discriminator_channels, cell.width)}
    return study.model_copy(update={"training": training.model_copy(update=changed),
                                    "network": network.model_copy(update=wide)})


def _times(channels: int, width: float) -> int:
    return max(1, round(width * channels))


def _strengthened(usual: Augmentation | None, strength: float) -> Augmentation | None:
    """Every range times the strength; a flip has none."""
    if usual is None or strength == 0:
        return None
    ranges = {name: value * strength for name, value in usual.model_dump().items() if name != "flip"}
    try:
        return Augmentation(flip=usual.flip, **ranges)
    except ValueError:
        raise InputError(f"augmentation × {strength:g} of {usual}: beyond what there is; the study's is to be "
                         "weaker") from None
