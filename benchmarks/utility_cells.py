"""The cells of the augmentation table: one segmenter each, trained, scored on every test subject, and kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.hospitals import Hospitals, pooled
from benchmarks.utility_images import BAD, BASELINES, NOTHING, RELEASE, SEPARATING, Images
from fl_components.evaluation.original import Original
from fl_components.evaluation.scores import MEASURES, Scores, score_subjects
from fl_components.evaluation.training_sets import BATCH_SIZE, TRAINING_SETS, TrainingSet, phase_batches, phase_steps
from fl_components.json_file import read_json, write_json
from fl_components.networks.precision import choose_precision
from fl_components.networks.segmenter import ARCHITECTURES, Architecture
from fl_components.networks.weights import weights_of
from fl_components.study import Augmentation, Study
from fl_components.training.segment import RATE, Stage, train_segmenter
from fl_components.vocabulary import REGIONS

CENTRAL: Final = "central"
REAL_SETS: Final[tuple[TrainingSet, ...]] = ("real", "10 % real")
MADE_SETS: Final[tuple[TrainingSet, ...]] = tuple(name for name in TRAINING_SETS if name not in REAL_SETS)
NONE: Final = "none"
"""Where the synthetic subjects come from in a set that has none."""


@dataclass(frozen=True)
class Cell:
    """One segmenter.

    Attributes:
        trained: "central", on all sites' members, or the name of the site that trains alone.
        images: where synthetic subjects come from.
        training_set: of `TRAINING_SETS`.
        augmented: with usual augmentation.
        segmenter: its architecture.
        seed: of everything drawn.
    """

    trained: str
    images: str
    training_set: TrainingSet
    augmented: bool
    segmenter: Architecture
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        words = [self.trained, self.images, self.training_set, "augmented" if self.augmented else "plain",
                 self.segmenter, str(self.seed)]
        return "__".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)

    @property
    def reference(self) -> Cell:
        """The same segmenter trained on real subjects."""
        return replace(self, images=NONE, training_set="real")


def full_plan(sites: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """The whole table; what matters most comes first, so that a run that is stopped has it."""
    plan = [cell for sets, images in ((REAL_SETS, (NONE,)), (MADE_SETS, (RELEASE, *BASELINES)))
            for cell in _cells(images, sets, (True, False), ARCHITECTURES, seeds)]
    plan += _cells((*NOTHING, *BAD, *SEPARATING), ("synthetic only",), (True,), ("segresnet",), seeds)
    for site in sites:
        plan += _cells((NONE,), ("real",), (True,), ("segresnet",), seeds, site)
        plan += _cells((RELEASE,), ("real + synthetic",), (True,), ("segresnet",), seeds, site)
    return plan


def quick_plan(sites: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """One segmenter with augmentation: every set of the release, "synthetic only" of everything else, the smallest
    site alone (the study's last)."""
    plan = _cells((NONE,), REAL_SETS, (True,), ("segresnet",), seeds)
    plan += _cells((RELEASE, *BASELINES, *NOTHING, *SEPARATING), ("synthetic only",), (True,), ("segresnet",), seeds)
    plan += _cells((RELEASE,), MADE_SETS, (True,), ("segresnet",), seeds)
    plan += _cells(BAD, ("synthetic only",), (True,), ("segresnet",), seeds)
    plan += _cells((NONE,), ("real",), (True,), ("segresnet",), seeds, sites[-1])
    plan += _cells((RELEASE,), ("real + synthetic",), (True,), ("segresnet",), seeds, sites[-1])
    return list(dict.fromkeys(plan))


def _cells(images: Sequence[str], sets: Sequence[TrainingSet], augmented: Sequence[bool],
           segmenters: Sequence[Architecture], seeds: Sequence[int], trained: str = CENTRAL) -> list[Cell]:
    """Seeds last, so that all of a row's cells come together."""
    return [Cell(trained, *words) for words in product(images, sets, augmented, segmenters, seeds)]


@dataclass(frozen=True)
class Bench:
    """What cells are trained on and scored on.

    Attributes:
        study: grid, precision, augmentation.
        members: real subjects to train on, by site.
        images: makes synthetic ones.
        tests: test subjects, by site.
        originals: of the same subjects, in `pooled`'s order; none if they are scored on the study's grid.
        steps: of every training.
        folder: of the cells' files.
    """

    study: Study
    members: Hospitals
    images: Images
    tests: Hospitals
    originals: Sequence[Original | None]
    steps: int
    folder: Path

    def scores(self, cell: Cell, on_step: Callable[[int], None]) -> Scores:
        """A cell's scores of all test subjects: kept from an earlier run of the same settings, or made now."""
        if (kept := self.kept(cell)) is not None:
            return kept
        scores = self._trained(cell, on_step)
        write_json(self._path(cell), {"setting": self._setting(cell), "scores": _packed(scores)})
        return scores

    def kept(self, cell: Cell) -> Scores | None:
        """A cell's scores, if they are there from an earlier run of the same settings."""
        kept = read_json(self._path(cell)) if self._path(cell).exists() else {}
        return _unpacked(kept["scores"]) if kept.get("setting") == self._setting(cell) else None

    def record(self, cell: Cell) -> dict[str, Any]:
        """What is kept of a cell, its `setting` and its `scores` of every test subject in the hospitals' order.

        In the results file it is what figures can be found from again, or a later run go on from, without the run.
        """
        return dict(read_json(self._path(cell)))

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.name}.json"

    def _setting(self, cell: Cell) -> dict[str, Any]:
        """Whatever the scores depend on."""
        who = {part: _digest(sorted(f"{site}/{subject.name}" for site, subjects in hospitals.items()
                                    for subject in subjects))
               for part, hospitals in (("members", self.members), ("tests", self.tests))}
        return {**asdict(cell), **who, "steps": self.steps, "batch": BATCH_SIZE, "study": self.study.hash,
                "count": self.images.count, "original": bool(self.originals), "made of": self._source(cell.images)}

    def _source(self, images: str) -> str | None:
        """Digest of what a kind of images is made of, beside members and study."""
        if images == NONE:
            return None
        if images in SEPARATING:
            return hashlib.sha256(self.images.run.server.generator_file.read_bytes()).hexdigest()[:16]
        return _digest([hashlib.sha256(subject.images.tobytes()).hexdigest() for subject in self.images.released])

    def _trained(self, cell: Cell, on_step: Callable[[int], None]) -> Scores:
        members = pooled(self.members) if cell.trained == CENTRAL else self.members[cell.trained]
        synthetic = [] if cell.images == NONE else self.images.make(cell.images)
        precision = choose_precision(self.study.training.precision)
        augmentation = (self.study.training.augmentation or Augmentation()) if cell.augmented else None
        phases = TRAINING_SETS[cell.training_set]
        weights, done = None, 0
        for number, (phase, steps) in enumerate(zip(phases, phase_steps(phases, self.steps), strict=True)):
            network = train_segmenter(
                cell.segmenter, phase_batches(phase, members, synthetic, cell.seed, number),
                Stage(steps, rate=RATE * phase.rate, round_number=number), augmentation, self.study.grid, precision,
                cell.seed, lambda step, done=done: on_step(done + step), weights)  # type: ignore[misc]
            weights, done = weights_of(network), done + steps
        return score_subjects(network, pooled(self.tests), self.study.grid, precision, self.originals)


def _packed(scores: Scores) -> dict[str, Any]:
    """Ready for JSON, which has no nan."""
    return {"original": scores.original.tolist()} | {
        measure: {region: [None if np.isnan(value) else value for value in values.tolist()]
                  for region, values in scores.of(measure).items()} for measure in MEASURES}


def _unpacked(kept: dict[str, Any]) -> Scores:
    dice, hd95 = ({region: np.array(kept[measure][region], float) for region in REGIONS} for measure in MEASURES)
    return Scores(dice, hd95, np.array(kept["original"], bool))


def _digest(words: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def rows_of(plan: Sequence[Cell]) -> Iterator[tuple[Cell, list[Cell]]]:
    """Cells that differ by their seed alone, and the first of them, in the plan's order."""
    rows: dict[Cell, list[Cell]] = {}
    for cell in plan:
        rows.setdefault(replace(cell, seed=0), []).append(cell)
    yield from rows.items()
