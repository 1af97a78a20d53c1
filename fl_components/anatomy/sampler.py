"""New anatomies from public knowledge alone: the template and simulated tumours. No patient is ever read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from fl_components.anatomy.brain import Brain, BrainTraits, make_brain
from fl_components.anatomy.compartments import brain_stem, hindbrain, rooms
from fl_components.anatomy.deform import warp
from fl_components.anatomy.field import random_field
from fl_components.anatomy.prepared import as_prepared
from fl_components.anatomy.threads import one_blas_thread
from fl_components.anatomy.tumour import (
    NEVER,
    TumourTraits,
    arrival_times,
    label_tumour,
    push_displacement,
    push_velocity,
    sparing_cortex,
    time_at_volume,
)
from fl_components.study import Grid
from fl_components.vocabulary import ABBREVIATIONS, BACKGROUND, CSF, N_LABELS, TUMOUR

INFRATENTORIAL_SHARE: Final = 0.03
"""Share of tumours that start in the cerebellum; adult gliomas are nearly all above the tentorium."""


@dataclass(frozen=True)
class SampledAnatomy:
    """One draw.

    `labels`: (X, Y, Z) uint8 anatomy. `record`: the drawn parameters and measured volumes, ready for JSON. `healthy`:
    the brain before the tumour pushed it. `tumour`: what grew in it. `push`: velocity of its push, None without one.
    """

    labels: np.ndarray
    record: dict[str, Any]
    healthy: Brain
    tumour: TumourTraits | None = None
    push: np.ndarray | None = None


@dataclass(frozen=True)
class AnatomySampler:
    """Samples anatomies on a grid: as preparation leaves patients', or the whole brains, wherever they lie, if not
    `prepared`."""

    grid: Grid
    prepared: bool = True

    def sample(self, rng: np.random.Generator, tumour: bool = True) -> SampledAnatomy:
        """Draw one anatomy, with a tumour or healthy."""
        with one_blas_thread():
            traits = draw_brain_traits(rng)
            brain = make_brain(rng, self.grid, traits, centred=self.prepared)
            if self.prepared:
                brain = as_prepared(rng, brain, self.grid.spacing_mm)
            return self._with_tumour(rng, brain, asdict(traits)) if tumour else self._healthy(brain, asdict(traits))

    def another_tumour(self, rng: np.random.Generator, drawn: SampledAnatomy) -> SampledAnatomy:
        """The same brain with a tumour drawn anew, which saves making another brain."""
        with one_blas_thread():
            return self._with_tumour(rng, drawn.healthy, drawn.record["brain"])

    def _healthy(self, brain: Brain, told: dict[str, Any]) -> SampledAnatomy:
        labels = brain.labels()
        return SampledAnatomy(labels, {"brain": told, "tumour": None, "volume_ml": self._volumes_ml(labels)}, brain)

    def _with_tumour(self, rng: np.random.Generator, brain: Brain, told: dict[str, Any]) -> SampledAnatomy:
        traits = draw_tumour_traits(rng)
        seeds, delays = draw_seeds(rng, brain, self.grid.spacing_mm)
        labels, push = _add_tumour(rng, brain, traits, seeds, delays, self.grid.spacing_mm)
        places = [[round(float(x), 1) for x in brain.template_mm[(slice(None), *seed)]] for seed in seeds]
        record = {"brain": told, "tumour": asdict(traits) | {"seeds_template_mm": places},
                  "volume_ml": self._volumes_ml(labels)}
        return SampledAnatomy(labels, record, brain, traits, push)

    def _volumes_ml(self, labels: np.ndarray) -> dict[str, float]:
        """Of each tissue, by its abbreviation."""
        counts = np.bincount(labels.ravel(), minlength=N_LABELS)
        return {ABBREVIATIONS[label]: round(float(counts[label]) * self.grid.spacing_mm**3 / 1000, 3)
                for label in range(1, N_LABELS)}


def draw_brain_traits(rng: np.random.Generator) -> BrainTraits:
    """The public spread of adult brains; the template is about a quarter larger than the average adult's.

    As stripped they hold about 1440 ± 160 ml (intracranial, 58 adults above 40: 1397 ± 133 ml; Ahmad et al.,
    J. Biomed. Clin. Sci.). Ventricles and sulci widen with age (Yamada et al., Eur. Radiol. 2023); folding
    varies little and not with age, sex or size (Zilles et al., Anat. Embryol. 1988).
    """
    age = rng.uniform(0, 1)  # 0 a young adult, 1 an old one
    size = np.clip(rng.normal(0.921, 0.032), 0.84, 1.0)
    scale = size * np.clip(rng.normal(1, 0.025, 3), 0.95, 1.05)
    return BrainTraits(
        scale=(float(scale[0]), float(scale[1]), float(scale[2])),
        rotation_degrees=(float(rng.normal(0, 4)), float(rng.normal(0, 3)), float(rng.normal(0, 3))),
        warp_mm=float(rng.uniform(2.0, 3.0)), warp_scale_mm=float(rng.uniform(20, 30)),
        ventricle_mm=float(np.clip(rng.normal(-1.2 + 4.0 * age, 1.4), -3, 6.0)),
        atrophy=float(np.clip(rng.normal(0.1 + 0.5 * age, 0.15), 0, 1)),
        folding=float(rng.uniform(0.42, 0.6)), fold_mm=float(rng.uniform(3.9, 4.8)))


def draw_tumour_traits(rng: np.random.Generator) -> TumourTraits:
    """The public spread of gliomas: 3 to 180 ml; about a quarter does not enhance, a tenth has no necrosis."""
    volume = float(np.clip(60 * np.exp(rng.normal(0, 0.85)), 3, rng.uniform(110, 180)))
    kind = rng.choice(["ring", "low grade", "solid"], p=[0.62, 0.29, 0.09])
    core = {"ring": rng.uniform(0.15, 0.6), "low grade": rng.uniform(0.3, 0.9), "solid": rng.uniform(0.08, 0.3)}[kind]
    core_radius_mm = np.cbrt(volume * core * 1000 * 3 / (4 * np.pi))
    rim = {"ring": np.clip(rng.uniform(0.08, 0.3) * core_radius_mm, 2.0, 6.5), "low grade": 0.0, "solid": 99.0}[kind]
    return TumourTraits(volume_ml=volume, core_share=float(core), rim_mm=float(rim),
                        white_preference=float(rng.uniform(3, 10)),
                        push_mm=float(rng.uniform(0.1, 0.45) * core_radius_mm), roughness=float(rng.uniform(0.2, 1.0)))


def draw_seeds(rng: np.random.Generator, brain: Brain, spacing_mm: float,
               two_foci: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """Where and when the foci start: one, or two with probability `two_foci`.

    Returns:
        (n, 3) voxels in tissue of the cerebrum (rarely the cerebellum), and (n,) delays, the first 0.
    """
    chance = seed_chance(brain, rng.uniform() < INFRATENTORIAL_SHARE)
    first = _draw_voxel(rng, chance)
    if rng.uniform() >= two_foci:
        return first[None], np.zeros(1)
    places = np.indices(chance.shape)
    distance = np.sqrt(((places - first.reshape(3, 1, 1, 1)) ** 2).sum(axis=0)) * spacing_mm
    ring = chance * ((distance > 25) & (distance < 60))
    second = _draw_voxel(rng, ring if ring.any() else chance)
    return np.stack([first, second]), np.array([0.0, rng.uniform(0, 1.2)])


def seed_chance(brain: Brain, cerebellum: bool) -> np.ndarray:
    """(X, Y, Z) weight of a tumour starting at each voxel: one compartment's tissue, white twice as likely as grey."""
    csf, grey, white = brain.tissues
    behind, stem = hindbrain(brain.template_mm), brain_stem(brain.template_mm)
    compartment = behind & ~stem if cerebellum else ~behind & ~stem
    tissue = (csf < 0.2) & (brain.inside > 0.95)
    return np.where(tissue & compartment, grey + 2 * white, 0)


def _draw_voxel(rng: np.random.Generator, chance: np.ndarray) -> np.ndarray:
    """(3,) voxel drawn with the given weights."""
    total = np.cumsum(chance.ravel(), dtype=np.float64)
    flat = min(int(np.searchsorted(total, rng.uniform(0, total[-1]), side="right")), chance.size - 1)
    return np.array(np.unravel_index(flat, chance.shape))


def _add_tumour(rng: np.random.Generator, brain: Brain, traits: TumourTraits, seeds: np.ndarray, delays: np.ndarray,
                spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tumour, push the brain aside, label both: (X, Y, Z) uint8, and the push's velocity."""
    uneven = np.minimum(random_field(rng, brain.inside.shape, 11.0 / spacing_mm), 1)
    mobility = np.exp(0.6 * traits.roughness * (uneven - 1))
    arrival = arrival_times(brain.tissues, seeds, delays, traits, spacing_mm, mobility, rooms(brain.template_mm))
    core = arrival <= time_at_volume(arrival, traits.volume_ml * traits.core_share, spacing_mm)
    push = push_velocity(core, brain.inside, traits.push_mm, spacing_mm)
    displacement = push_displacement(push, brain.inside.shape, spacing_mm)
    pushed = brain.displaced(displacement, spacing_mm)
    latest = arrival[arrival < NEVER].max(initial=0.0)
    arrival = warp(np.minimum(arrival, 2 * latest + 1)[None], displacement, spacing_mm)[0]
    arrival[arrival > latest] = NEVER
    arrival = sparing_cortex(arrival, pushed.tissues)
    labels = pushed.labels()
    allowed = (labels != BACKGROUND) & (labels != CSF)
    tumour = label_tumour(rng, arrival, allowed, traits, spacing_mm)
    return np.where(np.isin(tumour, TUMOUR), tumour, labels).astype(np.uint8), push
