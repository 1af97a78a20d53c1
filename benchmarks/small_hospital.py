"""A hospital small enough to train for in a minute: fresh simulated patients on a coarse grid, the demo's network.

The patients are those of the simulated hospitals, scanned with coarser voxels and prepared as every scan is; nothing is
read from disk, so that each seed of a control has other patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.case import Case, Scan
from fl_components.cohort.prepare import make_subject as prepare_subject
from fl_components.cohort.simulate.hospital import site_profile
from fl_components.cohort.simulate.subject import make_subject
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.server.population import ContrastPopulation
from fl_components.study import PRESETS, Study
from privacy_eval.spaces.images import ImageSet

NATIVE_MM: Final = 6.0
"""Voxels of the simulated scans."""

HOSPITAL: Final = 0
"""Which of the simulated hospitals a control's patients come to: one, so that no scanner tells them apart."""


def small_study(seed: int, **training: Any) -> Study:  # noqa: ANN401 - any value of the training settings
    """The demo's network on 24×28×24 voxels of 6.5 mm, in float32.

    Args:
        seed: of the generator's start.
        training: training settings that differ from the demo's.
    """
    return Study.parse({
        "name": "small-hospital", "preset": "tiny", "seed": seed, "sites": {"site": 1.0},
        "grid": {"shape": [24, 28, 24], "spacing_mm": 6.5},
        "training": PRESETS["tiny"]["training"] | {"rounds": 1, "precision": "float32"} | training}, "small hospital")


def draw_subjects(study: Study, n: int, rng: np.random.Generator, hospital: int = HOSPITAL) -> list[Subject]:
    """Fresh patients of one simulated hospital, prepared on the study's grid; about .2 s each on one core."""
    scanner, population = site_profile(hospital, 0)
    coarse = replace(scanner, spacing_mm=NATIVE_MM)
    subjects = []
    for k in range(n):
        drawn = make_subject(rng, coarse, population)
        scan = Scan(drawn.images.astype(np.float32), drawn.mask, drawn.mask, drawn.grid.affine)
        subjects.append(prepare_subject(Case(f"subject_{k:03d}", (Path(),) * 4, Path()), scan, study.grid)[0])
    return subjects


def population_of(subjects: Sequence[Subject]) -> ContrastPopulation:
    """The subjects' contrasts, summarised as a site's are: mean and spread of each tissue where it is present."""
    means = np.stack([subject.contrast.mean for subject in subjects])
    present = np.stack([subject.contrast.present for subject in subjects])[:, :, None]
    known = np.maximum(present.sum(axis=0), 1)
    mean = (means * present).sum(axis=0) / known
    spread = np.sqrt((present * (means - mean) ** 2).sum(axis=0) / known)
    return ContrastPopulation(mean[None], spread[None], np.ones(1), True)


def public_anatomies(study: Study, n: int, rng: np.random.Generator) -> np.ndarray:
    """Label maps of the public sampler, (n, X, Y, Z) uint8."""
    sampler = AnatomySampler(study.grid)
    return np.stack([sampler.sample(rng).labels for _ in range(n)])


def painted_images(anatomies: np.ndarray, population: ContrastPopulation, rng: np.random.Generator) -> ImageSet:
    """Public subjects: anatomies painted by the lookup table with drawn contrasts."""
    return ImageSet(np.stack([paint(labels, population.draw(labels, rng)) for labels in anatomies]), anatomies)
