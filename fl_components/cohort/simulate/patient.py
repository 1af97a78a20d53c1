"""Patients: who comes to a site, and the anatomy under their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fl_components.anatomy.brain import Brain, BrainTraits, make_brain
from fl_components.anatomy.deform import upsample, warp
from fl_components.anatomy.field import random_field
from fl_components.anatomy.sampler import draw_seeds
from fl_components.anatomy.tumour import (
    NEVER,
    TumourTraits,
    arrival_times,
    label_tumour,
    mass_effect,
    time_at_volume,
)
from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, CSF, ENHANCING, NECROTIC

FIELD_OF_VIEW_MM: Final = (174.0, 212.0, 172.0)
GROWTH_MM: Final = 4.0
"""Voxel at which tumours grow; arrival times are smooth, so they are read between these voxels."""
CORTEX_SPARED: Final = 0.35
"""How much later grey matter swells than white, as a share of the tumour's age: oedema grows fingers."""

BEYOND_CONTOUR: Final = 1.4
"""How far half the infiltration lies beyond the annotator's contour, in widths of its fading: four fifths of it remain
at the contour. Who draws it stops at what is clearly abnormal."""


@dataclass(frozen=True)
class Population:
    """Who a site sees: mean `age` in years, share of `low_grade` tumours, median `volume_ml`, share with `two_foci`."""

    age: float
    low_grade: float
    volume_ml: float
    two_foci: float


POPULATIONS: Final = (Population(62, 0.15, 75, 0.14), Population(54, 0.35, 55, 0.08),
                      Population(58, 0.22, 95, 0.20), Population(47, 0.45, 40, 0.06))
"""Of the four default sites."""


@dataclass(frozen=True)
class PatientTraits:
    """One patient: `age` in years, `kind` of tumour (ring, solid, low grade), and the traits that follow."""

    age: float
    kind: str
    brain: BrainTraits
    tumour: TumourTraits
    foci: int


@dataclass(frozen=True)
class Patient:
    """The true state of one head on the site's grid.

    `labels`: (X, Y, Z) uint8 true anatomy. `infiltration`: (X, Y, Z) 0 to 1, tumour cells and their water beyond every
    contour. `brain`: tissue probabilities after the tumour's push.
    """

    traits: PatientTraits
    grid: Grid
    brain: Brain
    labels: np.ndarray
    infiltration: np.ndarray


def draw_population(rng: np.random.Generator) -> Population:
    """A further site's patients."""
    return Population(age=float(rng.uniform(45, 65)), low_grade=float(rng.uniform(0.1, 0.5)),
                      volume_ml=float(rng.uniform(40, 95)), two_foci=float(rng.uniform(0.05, 0.2)))


def native_grid(spacing_mm: float) -> Grid:
    """The grid a site stores its volumes on."""
    even = [2 * round(length / (2 * spacing_mm)) for length in FIELD_OF_VIEW_MM]
    return Grid(shape=(even[0], even[1], even[2]), spacing_mm=spacing_mm)


def draw_traits(rng: np.random.Generator, population: Population) -> PatientTraits:
    """One patient of a population; younger patients have more low-grade tumours."""
    age = float(np.clip(rng.normal(population.age, 13), 20, 88))
    low_grade = np.clip(population.low_grade + 0.01 * (population.age - age), 0.02, 0.9)
    kind = "low grade" if rng.uniform() < low_grade else str(rng.choice(["ring", "solid"], p=[0.85, 0.15]))
    return PatientTraits(age, kind, _draw_brain(rng, age), _draw_tumour(rng, kind, population.volume_ml),
                         foci=2 if rng.uniform() < population.two_foci else 1)


def _draw_brain(rng: np.random.Generator, age: float) -> BrainTraits:
    older = (age - 20) / 68
    size = np.clip(rng.normal(0.925, 0.032) - 0.01 * older, 0.85, 1.0)
    scale = size * np.clip(rng.normal(1, 0.025, 3), 0.95, 1.05)
    return BrainTraits(
        scale=(float(scale[0]), float(scale[1]), float(scale[2])),
        rotation_degrees=(float(rng.normal(0, 5)), float(rng.normal(0, 3)), float(rng.normal(0, 4))),
        warp_mm=float(rng.uniform(2.0, 3.2)), warp_scale_mm=float(rng.uniform(20, 30)),
        ventricle_mm=float(np.clip(rng.normal(-1.5 + 5.0 * older**1.5, 1.4), -3, 6.5)),
        atrophy=float(np.clip(rng.normal(0.05 + 0.6 * older, 0.12), 0, 1)),
        folding=float(rng.uniform(0.35, 0.6)), fold_mm=float(rng.uniform(3.8, 5.0)))


def _draw_tumour(rng: np.random.Generator, kind: str, median_ml: float) -> TumourTraits:
    volume = float(np.clip(median_ml * np.exp(rng.normal(0, 0.75)), 3, rng.uniform(110, 190)))
    core = float({"ring": rng.beta(3, 5) * 0.8 + 0.08, "solid": rng.uniform(0.06, 0.3),
                  "low grade": rng.uniform(0.35, 0.9)}[kind])
    radius_mm = np.cbrt(volume * core * 1000 * 3 / (4 * np.pi))
    rim = float({"ring": np.clip(rng.uniform(0.08, 0.25) * radius_mm, 2.0, 5.5), "solid": 99, "low grade": 0}[kind])
    return TumourTraits(volume, core, rim, white_preference=float(rng.uniform(4, 14)),
                        push_mm=float(rng.uniform(0.1, 0.5) * radius_mm), roughness=float(rng.uniform(0.25, 0.9)))


def make_patient(rng: np.random.Generator, traits: PatientTraits, grid: Grid) -> Patient:
    """Grow the patient's brain and tumour.

    Args:
        rng: source of shape and place.
        traits: what the patient is like.
        grid: the site's native grid.
    """
    brain = make_brain(rng, grid, traits.brain)
    seeds, delays = draw_seeds(rng, brain, grid.spacing_mm, two_foci=float(traits.foci == 2))
    arrival = _grow(rng, brain, seeds, delays, traits.tumour, grid)
    displacement = mass_effect(arrival, brain.inside, traits.tumour, grid.spacing_mm)
    brain = brain.displaced(displacement, grid.spacing_mm)
    latest = arrival[arrival < NEVER].max(initial=0.0)
    arrival = warp(np.minimum(arrival, 2 * latest + 1)[None], displacement, grid.spacing_mm)[0]
    unreached = arrival > latest
    arrival += CORTEX_SPARED * max(latest, 1.0) * brain.tissues[1] / np.maximum(brain.inside, 0.05)
    healthy = brain.labels()
    allowed = (healthy != BACKGROUND) & (healthy != CSF)
    tumour = label_tumour(rng, np.where(unreached, NEVER, arrival), allowed, traits.tumour, grid.spacing_mm)
    tumour = _break_rim(rng, tumour, traits, grid.spacing_mm)
    end = time_at_volume(np.where(allowed, arrival, NEVER), traits.tumour.volume_ml, grid.spacing_mm)
    fade = rng.uniform(0.3, 0.8)
    infiltration = 1 / (1 + np.exp(np.clip((arrival - end) / fade - BEYOND_CONTOUR, -30, 30)))
    labels = np.where(tumour > 0, tumour, healthy).astype(np.uint8)
    return Patient(traits, grid, brain, labels, infiltration.astype(np.float32))


def _grow(rng: np.random.Generator, brain: Brain, seeds: np.ndarray, delays: np.ndarray, traits: TumourTraits,
          grid: Grid) -> np.ndarray:
    """Arrival times on the grid, grown on coarser voxels through tissue of uneven mobility."""
    factor = grid.spacing_mm / GROWTH_MM
    shape = tuple(int(length * factor) + 1 for length in grid.shape)
    tissues = upsample(brain.tissues, shape, factor)
    mobility = np.exp(0.5 * np.minimum(random_field(rng, shape, 3.0), 1.0) - 0.5).astype(np.float32)
    coarse_seeds = np.minimum(np.rint(seeds * factor).astype(int), np.array(shape) - 1)
    arrival = arrival_times(tissues, coarse_seeds, delays, traits, GROWTH_MM, mobility)
    latest = arrival[arrival < NEVER].max(initial=0.0)
    fine = upsample(np.minimum(arrival, 1.5 * latest + 0.5)[None], grid.shape, 1 / factor)[0]
    return np.where(fine > latest, NEVER, fine)


def _break_rim(rng: np.random.Generator, tumour: np.ndarray, traits: PatientTraits, spacing_mm: float) -> np.ndarray:
    """Gaps in the enhancing rim of a ring, as real ones have."""
    if traits.kind != "ring":
        return tumour
    gaps = random_field(rng, tumour.shape, 5.0 / spacing_mm) > rng.uniform(1.0, 2.2)
    return np.where((tumour == ENHANCING) & gaps, NECROTIC, tumour).astype(np.uint8)
