"""A cell of worth and leakage, measured and kept: training, release, segmenters trained on it, texture, attacks."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.frontier_training import Answer, federate
from benchmarks.hospitals import Hospitals, load_hospitals, pooled
from benchmarks.membership import attack, t1_score, t4_score
from benchmarks.worth_leakage_plan import BASELINES, REAL, RECIPE, Cell, Sizes, study_of
from fl_components.client.train_executor import summarise_contrast
from fl_components.client.training_seed import training_seed
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.evaluation.admissible import released_volumes, require_disjoint, require_tests
from fl_components.evaluation.training_sets import synthetic_subjects
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import Weights, load_weights
from fl_components.server.population import ContrastPopulation
from fl_components.server.synthesize import public_subjects, released_look
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from fl_components.vocabulary import REGIONS
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.utility import train_and_score
from jobs.worth import measure as measure_quality
from privacy_eval.spaces.voxels import VoxelSpace

_TEXTURE_SUBJECTS: Final = 10
"""Holdout subjects a site, as in the report's table of quality."""


@dataclass
class Bench:
    """Measures cells, each once.

    Attributes:
        run: with the generator, release and hospitals of the study's recipe; finished cells lie in `worth_leakage`.
        sizes: of everything.
        talk: progress.
    """

    run: RunFolder
    sizes: Sizes
    talk: Talk = field(default_factory=Talk)

    def __post_init__(self) -> None:
        self.study = self.run.study()
        self.folder = self.run.path / "worth_leakage"
        self._generator = self.run.server.load_generator()  # before anything long: it may be missing
        self.members, self.holdout = (load_hospitals(self.run, part) for part in ("members", "holdout"))
        self.tests = load_hospitals(self.run, "test", self.sizes.tests)
        require_tests(self.tests)
        self.anatomies = [volume.labels for volume in released_volumes(self.run.release, self.study)]
        self.anatomies = self.anatomies[:self.sizes.volumes]
        require_disjoint(self.members, self.tests)

    def kept(self, cell: Cell) -> dict[str, Any] | None:
        """What was measured of a cell in an earlier run of the same settings."""
        path = self._path(cell)
        found = read_json(path) if path.exists() else {}
        return found["measured"] if found.get("setting") == self._setting(cell) else None

    def measure(self, cell: Cell) -> dict[str, Any]:
        """A cell's figures, kept or taken now: each segmenter's Dice by region and test subject, texture share by
        holdout subject, attacks, steps, and the processor seconds of its training and of all."""
        if (kept := self.kept(cell)) is not None:
            return kept
        started = time.process_time()
        weights = None if cell in BASELINES else self._trained(cell)
        trained = time.process_time() - started
        release = self._release(cell, weights)
        measured = {"segmenters": self._dice(cell, release), "texture": self._texture(cell, weights),
                    "attacks": self._attacks(cell, weights, release), "members": len(pooled(self.members_of(cell))),
                    "steps": self._steps(cell), "seconds": {"training": trained,
                                                            "all": time.process_time() - started}}
        write_json(self._path(cell), {"setting": self._setting(cell), "measured": measured})
        return measured

    def members_of(self, cell: Cell) -> Hospitals:
        """Whom the cell is trained on: the first so many of each site's members, whose order says nothing."""
        return {site: subjects[:cell.members] for site, subjects in self.members.items()}

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.name}.json"

    def _setting(self, cell: Cell) -> dict[str, Any]:
        """Whatever the figures depend on, but the code."""
        who = [f"{part}/{site}/{subject.name}" for part, hospitals in (
            ("members", self.members), ("holdout", self.holdout), ("tests", self.tests))
            for site, subjects in hospitals.items() for subject in subjects]
        weights = b"".join(self._generator[name].tobytes() for name in sorted(self._generator))
        return {**asdict(cell), **asdict(self.sizes), "study": self.study.hash, "volumes": len(self.anatomies),
                "who": hashlib.sha256("\n".join(who).encode()).hexdigest(),
                "generator": hashlib.sha256(weights).hexdigest() if cell == RECIPE else "trained here"}

    def _steps(self, cell: Cell) -> int:
        training = study_of(cell, self.study).training
        return 0 if cell in BASELINES else training.rounds * training.local_steps * len(self.members)

    def _trained(self, cell: Cell) -> Weights:
        """The run's own generator for the recipe; else the same rounds, the sites in turn in this process."""
        if cell == RECIPE:
            return self._generator
        study, members = study_of(cell, self.study), self.members_of(cell)
        with self.talk.stage(f"Training: {cell.name}, {self._steps(cell)} steps") as advance, \
                tempfile.TemporaryDirectory() as states:
            answers = {site.name: _answering(study, members[site.name], Path(states) / site.name,
                                             training_seed(site, study)) for site in self.run.sites(self.study)}
            return federate(study, answers, lambda share: advance(share, ""))

    def _release(self, cell: Cell, weights: Weights | None) -> list[Subject]:
        """What `synthesize` would make of the cell's generator and its members' contrasts; of real members, they."""
        if cell == REAL:
            return pooled(self.members)
        told = {site: {**summarise_contrast(subjects, 1), "simulated": True}
                for site, subjects in self.members_of(cell).items()}
        population = ContrastPopulation.of_release(self.study, told)
        looks = [released_look(self.study, number, population, labels)
                 for number, labels in enumerate(self.anatomies, 1)]
        if weights is None:
            made = [paint(labels, contrast) for labels, (contrast, _) in zip(self.anatomies, looks, strict=True)]
        else:
            study = study_of(cell, self.study)
            precision = choose_precision(study.training.precision)
            generator = precision.place(load_weights(build_generator(study), weights)).eval()
            examples = [(labels, contrast) for labels, (contrast, _) in zip(self.anatomies, looks, strict=True)]
            made = render_as_drawn(generator, examples, [noise for _, noise in looks], precision)
        return synthetic_subjects(list(zip(made, self.anatomies, strict=True)))

    def _dice(self, cell: Cell, release: Sequence[Subject]) -> list[dict[str, list[float | None]]]:
        """Of each seed's segmenter, by region, each test subject's; None where it lacks the region."""
        found, seeds = [], self.sizes.seeds
        with self.talk.stage(f"Segmenters: {cell.name}") as advance:
            for seed in range(seeds):
                found.append(train_and_score(
                    self.study, release, pooled(self.tests), self.sizes.steps,
                    lambda share, seed=seed: advance((seed + share) / seeds, ""), seed).dice)  # type: ignore[misc]
        return [{region: [None if np.isnan(value) else float(value) for value in one[region]] for region in REGIONS}
                for one in found]

    def _texture(self, cell: Cell, weights: Weights | None) -> list[float]:
        """By holdout subject, given its anatomy and contrast; of a baseline nothing: it is 1 or 0 by definition."""
        if weights is None:
            return []
        study = study_of(cell, self.study)
        precision = choose_precision(study.training.precision)
        generator = precision.place(load_weights(build_generator(study), weights))
        subjects = [subject for holdout in self.holdout.values() for subject in holdout[:_TEXTURE_SUBJECTS]]
        return [float(value) for value in measure_quality(generator, subjects, precision)["generator"]["texture_share"]]

    def _attacks(self, cell: Cell, weights: Weights | None, release: Sequence[Subject]) -> dict[str, Any]:
        """T4 on the generator, if there is one, and T1 on the release, over sites; nothing on the members."""
        if cell == REAL:
            return {}
        scores = {"T1": t1_score(self._space, [subject.images for subject in release])}
        if weights is not None:
            scores["T4"] = t4_score(study_of(cell, self.study), weights)
        with self.talk.stage(f"Attacking: {cell.name}"):
            return {name: {key: value for key, value in attack(
                score, self.members_of(cell), self.holdout).items() if key != "sites"}
                for name, score in scores.items()}

    @cached_property
    def _space(self) -> VoxelSpace:
        """T1's, as the audit makes it."""
        return VoxelSpace.fit(public_subjects(self.run.server, self.study, self.study.audit.calibration_subjects))


def _answering(study: Study, members: Sequence[Subject], states: Path, seed: int) -> Answer:
    """A site that trains as the job's does."""
    trainer = LocalTrainer(study, members, states, seed)

    def answer(weights: Weights, number: int) -> Mapping[str, np.ndarray]:
        return trainer.train(weights, number, study.training.local_steps).update

    return answer
