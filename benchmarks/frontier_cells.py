"""A cell of the frontier, measured and kept: release, segmenters trained on it, realism, what betrays its members."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import wasserstein_distance

from benchmarks.alone import cost_of
from benchmarks.frontier_study import GENERATOR, LOOKUP, REAL, SIMULATOR, Cell, Sizes, hospitals, study_of
from benchmarks.frontier_training import Learned, begun, prepare
from benchmarks.hospitals import Hospitals, pooled
from benchmarks.membership import attack, t1_score, t4_score
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.simulate.hospital import SIMULATOR_VERSION
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast, paint
from fl_components.evaluation.public_images import public_subject
from fl_components.evaluation.realism.answer import FRECHETS, SIMILAR_REAL, SIMILAR_SYNTHETIC, Measured, combine_realism
from fl_components.evaluation.realism.description import Description
from fl_components.evaluation.realism.resampling import jackknife
from fl_components.evaluation.realism.site import compare_sets
from fl_components.evaluation.scores import score_subjects
from fl_components.evaluation.training_sets import TRAINING_SETS, phase_batches, synthetic_subjects
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.precision import choose_precision
from fl_components.networks.public_start import public_start_file
from fl_components.networks.weights import load_weights
from fl_components.server.population import random_protocols
from fl_components.study import Study
from fl_components.training.segment import Stage, train_segmenter
from fl_components.vocabulary import REGIONS
from jobs.output import Talk
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.voxels import VoxelSpace

ATTACKED: Final = 100
"""Members a site, at most, that the membership audit takes: more would not narrow its interval much."""
CONTRAST: Final = "contrast error"
GROUPS: Final = {"ms_ssim": SIMILAR_SYNTHETIC, "ms_ssim_real": SIMILAR_REAL, "feature": FRECHETS}
"""Realism's figures that are kept, each the mean of its measures."""
_ANATOMIES, _LOOKS, _DISTANCES = 61, 62, 63
"""First words of seeds."""
_RENDERING: Final = "as drawn"
"""How a release's contrasts come out; cells that were kept before it was named were not calibrated."""


@dataclass
class Bench:
    """Measures cells, each once.

    Attributes:
        sizes: of everything.
        folder: of patients, trained cells, and a file a cell.
        talk: progress.
    """

    sizes: Sizes
    folder: Path
    talk: Talk = field(default_factory=Talk)

    def kept(self, cell: Cell) -> dict[str, Any] | None:
        """What was measured of a cell in an earlier run of the same settings, however many segmenters it has."""
        path = self._path(cell)
        found = read_json(path) if path.exists() else {}
        return found["measured"] if found.get("setting") == self._setting(cell) else None

    def measure(self, cell: Cell) -> dict[str, Any]:
        """A cell's figures: of each segmenter, Dice by region and test subject; realism, attacks, ε, seconds, MiB.

        They are kept, or taken now; a kept cell that has fewer segmenters than are wanted gets those that it lacks. A
        cell in random protocols takes the training of the kept cell that has the same: no patient is touched again.
        """
        known = self.kept(cell)
        if known is not None and len(known["segmenters"]) >= self.sizes.seeds:
            return known
        at_hand = known is not None or (cell.random and self.kept(cell.trained) is not None)
        if at_hand and (not cell.learns or self._trained(cell).exists()):
            learned, mib = Learned.load(self._trained(cell)) if cell.learns else begun(cell, self.sizes), None
        else:
            known, (learned, mib) = None, self._learned(cell)
        if cell.random:
            learned = learned._replace(population=random_protocols(simulated=True))
        with self.talk.stage(f"Measuring: {cell.name}") as advance:
            release = self._release(cell, learned)
            measured = known or {**self._images(release), "attacks": self._attacks(cell, learned, release),
                                 "spent": learned.spent, "noise": learned.noise, "seconds": learned.seconds,
                                 "mib": mib, "segmenters": []}
            seeds = range(len(measured["segmenters"]), self.sizes.seeds)
            for seed in seeds:
                measured["segmenters"].append(self._dice(release, seed, lambda share: advance(share, "")))
                write_json(self._path(cell), {"setting": self._setting(cell), "measured": measured})
        return measured

    def _trained(self, cell: Cell) -> Path:
        return self.folder / "trained" / cell.trained.name

    def _path(self, cell: Cell) -> Path:
        return self.folder / "cells" / f"{cell.name}.json"

    def _setting(self, cell: Cell) -> dict[str, Any]:
        """Whatever a segmenter's figures depend on, but the code."""
        study = study_of(cell, self.sizes)
        start = public_start_file(study.network)
        sizes = asdict(self.sizes) | {"patients": cell.patients}
        del sizes["seeds"]
        return {**cell.words, **sizes, "study": study.hash, "simulator": SIMULATOR_VERSION, "rendering": _RENDERING,
                "start": hashlib.sha256(start.read_bytes()).hexdigest() if start.exists() else "none"}

    def _learned(self, cell: Cell) -> tuple[Learned, float | None]:
        """In a process of its own, so that its memory is the training's."""
        if not cell.learns:
            return begun(cell, self.sizes), None
        folder = self._trained(cell)
        shutil.rmtree(folder, ignore_errors=True)  # a ledger of a training that was stopped has spent already
        folder.mkdir(parents=True)
        cost = cost_of(prepare, cell, self.sizes, self.folder, folder)
        return Learned.load(folder), cost.mib

    @cached_property
    def tests(self) -> Hospitals:
        """Whom segmenters and images are compared with."""
        return self._draw("test", self.sizes.tests)

    @cached_property
    def holdout(self) -> Hospitals:
        """The audit's others."""
        return self._draw("holdout", self.sizes.holdout)

    @cached_property
    def anatomies(self) -> list[np.ndarray]:
        """Of every release: cells differ by their images alone."""
        sampler = AnatomySampler(self._study.grid)
        return [sampler.sample(np.random.default_rng([_ANATOMIES, k])).labels for k in range(self.sizes.volumes)]

    @cached_property
    def _study(self) -> Study:
        return study_of(Cell("summary", 8.0, 1), self.sizes)

    @cached_property
    def _space(self) -> VoxelSpace:
        population, rng = random_protocols(simulated=True), np.random.default_rng(_DISTANCES)
        images = np.stack([paint(labels, population.draw(labels, rng)) for labels in self.anatomies])
        return VoxelSpace.fit(ImageSet(images, np.stack(self.anatomies)))

    @cached_property
    def _described(self) -> dict[str, Description]:
        return {site: self._describe(subjects) for site, subjects in self.tests.items()}

    def _draw(self, part: Any, count: int) -> Hospitals:  # noqa: ANN401 - a part's name
        with self.talk.stage(f"Patients: {part}") as advance:
            return hospitals(self.folder, part, count, lambda share: advance(share, ""))

    def members(self, count: int) -> Hospitals:
        """The first so many of every site."""
        return self._draw("members", count)

    def _release(self, cell: Cell, learned: Learned) -> list[Subject]:
        """The same anatomies for all; of "real only" the members themselves."""
        if cell.method == REAL:
            return pooled(self.members(cell.patients))
        if cell.method in (LOOKUP, SIMULATOR):
            rng = np.random.default_rng(_LOOKS)
            if cell.method == SIMULATOR:
                made = [public_subject(labels, learned.population, self._study.grid, rng) for labels in self.anatomies]
                return synthetic_subjects([(one.images, one.labels) for one in made])
            return synthetic_subjects([(paint(labels, learned.population.draw(labels, rng)), labels)
                                       for labels in self.anatomies])
        return rendered(study_of(cell, self.sizes), learned, self.anatomies)

    def _dice(self, release: Sequence[Subject], seed: int,
              on_share: Callable[[float], None]) -> dict[str, list[float | None]]:
        """Of one segmenter: by region, each test subject's; None where it lacks the region."""
        steps, grid = self.sizes.segmenter_steps, self._study.grid
        precision = choose_precision(self._study.training.precision)
        network = train_segmenter("segresnet", phase_batches(TRAINING_SETS["real"][0], release, [], seed), Stage(steps),
                                  self._study.training.augmentation, grid, precision, seed,
                                  lambda step: on_share(step / steps))
        found = score_subjects(network, pooled(self.tests), grid, precision, distances=False).dice
        return {region: [None if np.isnan(value) else float(value) for value in found[region]] for region in REGIONS}

    def _images(self, release: Sequence[Subject]) -> dict[str, Any]:
        """Realism and contrast error beside each site's test subjects; sites in turns, as many as volumes."""
        rng = np.random.default_rng(0)
        shown = _in_turns(release, self.sizes.volumes)
        made = self._describe(shown)
        combined = combine_realism([compare_sets(one, made, rng) for one in self._described.values()])
        error = jackknife(contrast_error, (_contrasts(pooled(self.tests)), _contrasts(shown)), [CONTRAST])[CONTRAST]
        return {"realism": {name: _interval(combined.mean_of(list(names))) for name, names in GROUPS.items()},
                "contrast": _interval(error)}

    def _describe(self, subjects: Sequence[Subject]) -> Description:
        return Description.of(subjects, self._study.grid.spacing_mm, np.random.default_rng(0))

    def _attacks(self, cell: Cell, learned: Learned, release: Sequence[Subject]) -> dict[str, Any]:
        """T4 on the generator, where there is one, and T1 on the release, over sites.

        Of a cell that knows no patient too, whose AUC is chance: on the members of a cell with the usual number.
        """
        patients = cell.patients or self.sizes.patients[1]
        members = {site: subjects[:ATTACKED] for site, subjects in self.members(patients).items()}
        scores = {"T1": t1_score(self._space, [subject.images for subject in release])}
        if cell.learns or cell.method == GENERATOR:
            scores["T4"] = t4_score(study_of(cell, self.sizes), learned.weights)
        return {name: {key: value for key, value in attack(score, members, self.holdout).items() if key != "sites"}
                for name, score in scores.items()}


def rendered(study: Study, learned: Learned, anatomies: Sequence[np.ndarray]) -> list[Subject]:
    """A generator's images of anatomies, in contrasts drawn from what the sites told."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), learned.weights)).eval()
    rng, noise = np.random.default_rng(_LOOKS), torch.Generator().manual_seed(_LOOKS)
    examples = [(labels, learned.population.draw(labels, rng)) for labels in anatomies]
    made = render_as_drawn(generator, examples, [noise] * len(examples), precision)
    return synthetic_subjects(list(zip(made, anatomies, strict=True)))


def contrast_error(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """How far the contrasts of two sets lie apart, in units of intensity: (1,).

    The mean over tissues and sequences of the Wasserstein distance between the sets' tissue medians: 0 if they have
    one distribution, whatever mixture of sites it is of; for two narrow ones, what their means differ by.

    Args:
        real: (n, 6, 4), nan where a subject lacks the tissue.
        synthetic: (m, 6, 4), likewise.
    """
    found = [wasserstein_distance(one[~np.isnan(one)], other[~np.isnan(other)])
             for one, other in zip(_columns(real), _columns(synthetic), strict=True)
             if not (np.isnan(one).all() or np.isnan(other).all())]
    return np.array([np.mean(found)])


def _columns(contrasts: np.ndarray) -> np.ndarray:
    return contrasts.reshape(len(contrasts), -1).T


def _contrasts(subjects: Sequence[Subject]) -> np.ndarray:
    measured = [measure_contrast(subject.images, subject.labels) for subject in subjects]
    return np.stack([np.where(one.present[:, None], one.mean, np.nan) for one in measured]).astype(np.float64)


def _in_turns(subjects: Sequence[Subject], count: int) -> list[Subject]:
    """As many subjects as volumes, at most, spread evenly over all: real ones come site by site."""
    chosen = np.linspace(0, len(subjects) - 1, min(count, len(subjects))).round().astype(int)
    return [subjects[k] for k in chosen]


def _interval(measured: Measured) -> dict[str, float]:
    low, high = measured.interval()
    return {"mean": measured.value, "low": low, "high": high}
