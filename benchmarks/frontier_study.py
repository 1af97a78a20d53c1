"""The frontier's grid of cells: which method at which ε with how many patients, its study, and its hospitals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from benchmarks.hospitals import Hospitals
from benchmarks.small_hospital import draw_subjects, small_study
from fl_components.cohort.simulate.hospital import SIMULATOR_VERSION, SITE_NAMES
from fl_components.cohort.split import Part
from fl_components.cohort.subject import Subject
from fl_components.privacy import Trained
from fl_components.study import Study

Baseline = Literal["real only", "lookup table", "public simulator", "simulator only"]
"""The cell's own number of patients, themselves; and what knows no patient: each tissue painted with its contrast, the
public simulator's own images, and the publicly trained generator. All with public contrasts."""
Method = Baseline | Trained

REAL, LOOKUP, SIMULATOR, GENERATOR = get_args(Baseline)
NOTHING: Final = (LOOKUP, SIMULATOR, GENERATOR)
"""Baselines at ε = 0."""

SITES: Final = SITE_NAMES[:2]
RATE: Final = 0.1
NOMINAL: Final = 8.0
"""ε of the study of a cell without one: it fixes the networks' start and the rounds, and nothing is stated by it."""
LITTLE: Final = 0.1
"""ε of rows that are nearly noise alone: what they gain is not the patients'."""
_AUDIT_SHARE: Final = 0.1
_PARTS: Final[tuple[Part, ...]] = ("members", "holdout", "test")


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything.

    Attributes:
        patients: members a site of the cells: few, usual, many.
        holdout: patients a site that nothing is trained on: the membership audit's others.
        tests: patients a site that segmenters and images are compared with.
        volumes: of each release.
        rounds: of training.
        local_steps: generator steps a round and site, each with four noised sums of the discriminator.
        empirical_steps: a site, of the empirical mode.
        segmenter_steps: of every segmenter.
        seeds: segmenters a cell.
    """

    patients: tuple[int, int, int] = (25, 100, 400)
    holdout: int = 40
    tests: int = 40
    volumes: int = 150
    rounds: int = 6
    local_steps: int = 60
    empirical_steps: int = 360
    segmenter_steps: int = 1000
    seeds: int = 3


WHOLE: Final = Sizes()
QUICK: Final = Sizes(tests=24, rounds=2, local_steps=12, empirical_steps=240, segmenter_steps=600, seeds=1)
"""The same cells in short trainings."""


@dataclass(frozen=True)
class Cell:
    """One point of the frontier.

    Attributes:
        method: what of the patients goes in.
        epsilon: over the whole study; 0 if nothing of them does, infinite if nothing is protected.
        patients: members a site; 0 if none is used.
        random: whether a learned generator paints the contrasts of random protocols and not those that it was told
            (`[synthesis] contrasts`). Baselines that know no patient do so in any case.
    """

    method: Method
    epsilon: float
    patients: int
    random: bool = False

    @property
    def name(self) -> str:
        """Of its file."""
        words = [self.called, "inf" if math.isinf(self.epsilon) else f"{self.epsilon:g}", str(self.patients)]
        return "__".join(re.sub(r"[^a-z0-9]+", "-", word.lower()) for word in words)

    @property
    def called(self) -> str:
        """Its method, as tables have it."""
        return f"{self.method}, random protocols" if self.random else self.method

    @property
    def trained(self) -> Cell:
        """The cell with the same training, in the contrasts that were told."""
        return replace(self, random=False)

    @property
    def words(self) -> dict[str, Any]:
        """What stands before its figures; JSON knows no infinity."""
        return {"method": self.called, "epsilon": "∞" if math.isinf(self.epsilon) else f"{self.epsilon:g}",
                "patients": self.patients or "–"}

    @property
    def learns(self) -> bool:
        """Whether anything of patients goes into its generator or contrasts."""
        return self.method not in get_args(Baseline)


def baselines(sizes: Sizes) -> list[Cell]:
    """The rows that everything is compared with."""
    return [*(Cell(REAL, math.inf, n) for n in sizes.patients), *(Cell(name, 0.0, 0) for name in NOTHING)]


def plan_cells(sizes: Sizes) -> list[Cell]:
    """Twenty-four cells after the baselines; the middle number of patients first, which has every method."""
    few, usual, many = sizes.patients
    plan = [Cell("summary", epsilon, usual) for epsilon in (1.0, 3.0, 8.0, math.inf, LITTLE)]
    plan += [Cell("adapted", epsilon, usual) for epsilon in (3.0, 8.0, 1.0, math.inf, LITTLE)]
    plan += [Cell(method, epsilon, usual) for method in ("all", "scratch") for epsilon in (8.0, math.inf)]
    plan += [Cell("adapted", epsilon, usual, random=True) for epsilon in (3.0, 8.0, math.inf)]
    plan += [Cell(method, math.inf, usual, random=True) for method in ("all", "scratch")]
    plan += [Cell("summary", 3.0, few), Cell("adapted", 8.0, few), Cell("summary", 3.0, many)]
    return [*baselines(sizes), *plan, Cell("adapted", 3.0, many), Cell("all", 8.0, many)]


def study_of(cell: Cell, sizes: Sizes) -> Study:
    """The study in which a cell's sites train: on the coarse grid of `benchmarks.small_hospital`.

    A tenth of ε is one audit's, a quarter the summary's. A step has as many public images as it has patients on
    average. Trained from scratch without ε, it is a study of the empirical mode: the product as it is by default.
    """
    small = small_study(0)
    data: dict[str, Any] = {
        "name": "frontier", "preset": "tiny", "seed": small.seed, "sites": dict.fromkeys(SITES, 1.0),
        "grid": {"shape": list(small.grid.shape), "spacing_mm": small.grid.spacing_mm},
        "training": {"rounds": sizes.rounds, "local_steps": sizes.local_steps}}
    if cell.method == "scratch" and math.isinf(cell.epsilon):
        data["training"]["local_steps"] = math.ceil(sizes.empirical_steps / sizes.rounds)
        return Study.parse(data, "frontier")
    epsilon = cell.epsilon if 0 < cell.epsilon < math.inf else NOMINAL
    return Study.parse(data | {"audit": {"epsilon": _AUDIT_SHARE * epsilon}, "privacy": {
        "mode": "private", "epsilon": epsilon, "rate": RATE, "expected_batch": max(1, round(RATE * cell.patients)),
        "trains": cell.method if cell.learns else "summary"}}, "frontier")


def hospitals(folder: Path, part: Part, count: int, on_share: Callable[[float], None] | None = None) -> Hospitals:
    """The first patients of a part at every site; those that are not in the folder yet are drawn, .4 s each.

    Patient k of a site's part is the same whatever else is drawn, so that 25 members are among the 100. After a change
    of how tissues are labelled the folder must be a new one.
    """
    total, found = len(SITES) * count, Hospitals()
    for index, site in enumerate(SITES):
        found[site] = []
        for k in range(count):
            found[site].append(_patient(folder / f"patients-{SIMULATOR_VERSION}" / site, index, part, k))
            if on_share is not None:
                on_share((index * count + k + 1) / total)
    return found


def _patient(folder: Path, index: int, part: Part, k: int) -> Subject:
    path = folder / f"{part}-{k:03d}.npz"
    if not path.exists():
        rng = np.random.default_rng([index, _PARTS.index(part), k])
        replace(draw_subjects(small_study(0), 1, rng, index)[0], name=path.stem).save(folder)
    return Subject.load(path)
