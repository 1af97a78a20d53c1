"""What lies within the tissues: nuclei, vessels, lesions of age, and the inside of a tumour.

None of it is in the anatomy labels, so none of it is known to the public simulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import SOURCE
from fl_components.anatomy.deform import sample
from fl_components.anatomy.field import random_field
from fl_components.anatomy.template import load_template
from fl_components.cohort.simulate.patient import Patient
from fl_components.cohort.simulate.tissue import PARENCHYMA
from fl_components.vocabulary import ENHANCING, NECROTIC

NUCLEI: Final = {  # centre on the right and half axes in template millimetres; mirrored to the left
    "deep grey": (((10, -18, 8), (8, 13, 8)), ((13, 11, 11), (5, 9, 8)), ((26, 2, 2), (5, 14, 8))),
    "iron": (((19, -5, 0), (4, 7, 5)), ((5, -20, -8), (3, 3, 3)), ((10, -16, -11), (4, 3, 2.5)),
             ((15, -58, -33), (6, 5, 5))),
}
"""Thalamus, caudate head, putamen; pallidum, red nucleus, substantia nigra, dentate nucleus."""


@dataclass(frozen=True)
class Structure:
    """What the voxels hold: (V,) or (n, V) float32 over the voxels of `where`.

    `where`: (X, Y, Z) bool. `fluid`: share of CSF. `tissue`: shares of `tissue.PARENCHYMA` in the rest.
    `gadolinium`: concentration relative to that of enhancing tumour. `t1_factor`, `t2_factor`, `density_factor`:
    variation within tissues around 1. `findings`: what was drawn, for the record.
    """

    where: np.ndarray
    fluid: np.ndarray
    tissue: np.ndarray
    gadolinium: np.ndarray
    t1_factor: np.ndarray
    t2_factor: np.ndarray
    density_factor: np.ndarray
    findings: dict[str, bool]


def build_structure(rng: np.random.Generator, patient: Patient) -> Structure:
    """Draw what lies within one patient's tissues."""
    brain, spacing = patient.brain, patient.grid.spacing_mm
    where = brain.inside > 0.02
    inside = brain.inside[where]
    csf, grey, white = brain.tissues[:, where] / inside
    place = brain.template_mm[:, where]
    noise = _NoiseOnVoxels(rng, where, spacing)

    shares = dict.fromkeys(PARENCHYMA, np.zeros(inside.shape, np.float32))
    shares["cortex"], shares["white"] = grey, white
    for name in NUCLEI:
        _take(shares, name, _nuclei(name, place) * (1 - csf), ("cortex", "white", "deep grey"))
    lesions = _white_lesions(noise, patient, where, place)
    _take(shares, "white lesion", lesions * white, ("white",))
    gliosis, cavity = _scar(rng, noise, patient, place)
    _take(shares, "white lesion", gliosis * (1 - csf), ("cortex", "white", "deep grey"))
    _take(shares, "cyst", cavity * (1 - csf), ("white lesion",))
    vessels = _vessels(noise, csf, grey, place)
    _take(shares, "vessel", vessels, ("cortex", "white"))
    swollen = patient.infiltration[where] * (1 - 0.45 * grey) * np.clip(0.95 + 0.15 * noise(4.0), 0.4, 1)
    _take(shares, "oedema", swollen * (1 - csf), ("cortex", "white", "deep grey", "iron", "white lesion"))

    core = _soft(patient.labels, (NECROTIC, ENHANCING), spacing, where)
    rim = _soft(patient.labels, (ENHANCING,), spacing, where)
    findings = _fill_core(rng, noise, patient, shares, core, rim)
    fluid = csf * (1 - core) * (1 - vessels)
    choroid = _choroid(csf, place) * np.clip(0.5 + noise(2.5), 0, 1)
    gadolinium = rim * np.clip(0.75 + 0.7 * noise(3.5), 0.05, 2.4) + 3.0 * vessels + 0.8 * choroid + 0.05 * (1 - fluid)
    if patient.traits.kind == "low grade":
        gadolinium += 0.08 * core * np.clip(noise(4.0), 0, 1)
    tissue = np.stack([shares[name] for name in PARENCHYMA])
    uneven = 0.02 + 0.18 * core + 0.10 * swollen
    t1 = np.exp(-1.6 * _template_detail(place) * (1 - fluid) * (1 - core) + uneven * (noise(4.0) + noise(8.0)))
    t2 = np.exp(uneven * (noise(3.5) + noise(7.0)))
    density = np.exp(0.4 * uneven * noise(4.0))
    return Structure(where, fluid, tissue, gadolinium, t1, t2, density, findings)


class _NoiseOnVoxels:
    """Random fields read at the voxels of a mask; called with a scale in millimetres."""

    def __init__(self, rng: np.random.Generator, where: np.ndarray, spacing_mm: float) -> None:
        self.rng, self.where, self.spacing_mm = rng, where, spacing_mm

    def __call__(self, scale_mm: float) -> np.ndarray:
        return random_field(self.rng, self.where.shape, scale_mm / self.spacing_mm)[self.where]


def _take(shares: dict[str, np.ndarray], name: str, amount: np.ndarray, sources: tuple[str, ...]) -> None:
    """Replace the share `amount` (0 to 1) of each source by the named tissue."""
    amount = np.clip(amount, 0, 1)
    gained = shares[name]
    for source in sources:
        if source != name:
            gained = gained + amount * shares[source]
            shares[source] = (1 - amount) * shares[source]
    shares[name] = gained


def _soft(labels: np.ndarray, members: tuple[int, ...], spacing_mm: float, where: np.ndarray) -> np.ndarray:
    """Membership of labels with soft edges about 2 mm wide, on the voxels of the mask."""
    return ndimage.gaussian_filter(np.isin(labels, members).astype(np.float32), 1.2 / spacing_mm)[where]


def _nuclei(name: str, place: np.ndarray) -> np.ndarray:
    """(V,) 0 to 1: inside one of the named ellipsoids, on either side."""
    mirrored = np.stack([np.abs(place[0]), place[1], place[2]])
    found = np.zeros(place.shape[1], np.float32)
    for centre, half_axes in NUCLEI[name]:
        offset = (mirrored - np.array(centre)[:, None]) / np.array(half_axes)[:, None]
        radius = np.sqrt((offset**2).sum(axis=0))
        found = np.maximum(found, 1 / (1 + np.exp(np.clip((radius - 1) * 8, -30, 30))))
    return found


def _white_lesions(noise: _NoiseOnVoxels, patient: Patient, where: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(V,) 0 to 1: caps around the ventricles and deep spots that come with age (leukoaraiosis), never in the mask."""
    older = np.clip((patient.traits.age - 30) / 50, 0, 1)
    central = ((place[0] / 40) ** 2 + ((place[1] + 18) / 62) ** 2 + ((place[2] - 15) / 34) ** 2 < 1)
    ventricle = np.zeros(where.shape, np.float32)
    ventricle[where] = patient.brain.tissues[0][where] * central
    near = ndimage.gaussian_filter(ventricle, 5.0 / patient.grid.spacing_mm)[where]
    caps = np.clip((near - 0.12) * 6, 0, 1) * np.clip(0.6 + 0.6 * noise(6.0), 0, 1) * older
    spots = np.clip((noise(2.6) - (3.6 - 2.2 * older)) * 2.5, 0, 1)
    patches = np.clip((noise(6.0) - (3.0 - 2.0 * older)) * 2.5, 0, 1)
    return np.maximum.reduce([caps, spots, patches])


def _scar(rng: np.random.Generator, noise: _NoiseOnVoxels, patient: Patient,
          place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) 0 to 1 each: gliosis after an old infarct or injury, in some patients, and the cavity in its middle."""
    if rng.uniform() > 0.1 + 0.004 * patient.traits.age:
        return np.zeros(place.shape[1], np.float32), np.zeros(place.shape[1], np.float32)
    centre = place[:, rng.integers(place.shape[1])]
    radius_mm = rng.uniform(8, 20) * (1 + 0.3 * noise(6.0))
    inwards = radius_mm - np.sqrt(((place - centre[:, None]) ** 2).sum(axis=0))
    return _ramp(inwards), _ramp(inwards - rng.uniform(4, 8))


def _ramp(depth_mm: np.ndarray) -> np.ndarray:
    """0 from 2 mm outside, 1 from 2 mm inside."""
    return np.clip(depth_mm / 4 + 0.5, 0, 1)


def _vessels(noise: _NoiseOnVoxels, csf: np.ndarray, grey: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(V,) 0 to 1: midline sinuses, the middle cerebral arteries, and random threads over the cortex.

    Two random fields vanish together along curves: the threads.
    """
    x, y, z = place
    along_vault = np.abs(np.sqrt(((y + 18) / 86) ** 2 + ((z - 8) / 72) ** 2) - 1)
    sagittal = np.exp(-((x / 2.6) ** 2)) * np.exp(-((along_vault / 0.035) ** 2)) * (z > 0)
    straight = np.exp(-((x / 2.2) ** 2) - ((z - 4 + 0.55 * (y + 62)) / 3) ** 2) * ((y > -82) & (y < -42))
    sylvian = np.exp(-(((np.abs(x) - 36) / 10) ** 2) - (((y - 2) / 12) ** 2) - (((z + 6) / 7) ** 2))
    threads = np.exp(-(noise(9.0) ** 2 + noise(9.0) ** 2) / 0.022)
    superficial = np.clip(1.6 * csf + 0.3 * grey + 2.0 * sylvian, 0, 1)
    return np.clip(0.7 * sagittal + 0.6 * straight + 0.55 * threads * superficial, 0, 0.85).astype(np.float32)


def _choroid(csf: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(V,) 0 to 1: choroid plexus in the atria of the lateral ventricles."""
    offset = np.stack([(np.abs(place[0]) - 19) / 7, (place[1] + 38) / 9, (place[2] - 8) / 8])
    return csf * np.exp(-(offset**2).sum(axis=0))


def _fill_core(rng: np.random.Generator, noise: _NoiseOnVoxels, patient: Patient, shares: dict[str, np.ndarray],
               core: np.ndarray, rim: np.ndarray) -> dict[str, bool]:
    """Put the tumour's core into the shares: rim, necrosis or diffuse tumour, now and then cyst, blood, calcium."""
    low_grade = patient.traits.kind == "low grade"
    findings = {"cyst": bool(rng.uniform() < (0.4 if low_grade else 0.3)),
                "haemorrhage": bool(rng.uniform() < (0.1 if low_grade else 0.5)),
                "calcification": bool(rng.uniform() < (0.35 if low_grade else 0.05))}
    healthy = tuple(name for name in PARENCHYMA if name != "vessel")
    _take(shares, "diffuse tumour" if low_grade else "necrosis", core, healthy)
    centre = "diffuse tumour" if low_grade else "necrosis"
    _take(shares, "solid tumour", np.minimum(1, rim / np.maximum(core, 1e-3)) * core, (centre,))
    if low_grade:
        _take(shares, "solid tumour", 0.4 * core * np.clip(0.3 + noise(6.0), 0, 1), (centre,))
    if findings["cyst"]:
        _take(shares, "cyst", core * np.clip(3 * (noise(7.0) + 0.2), 0, 1), (centre,))
    if findings["haemorrhage"]:
        _take(shares, "blood", core * np.clip(2.5 * (noise(5.0) - 0.4), 0, 1), (centre, "solid tumour"))
    if findings["calcification"]:
        _take(shares, "calcification", core * np.clip(2.5 * (noise(3.0) - 1.2), 0, 1), (centre, "solid tumour"))
    return findings


def _template_detail(place: np.ndarray) -> np.ndarray:
    """(V,) what the averaged T1 image shows beyond its three tissues (myelin, iron), about -0.1 to 0.1."""
    detail = _detail_map()
    points = (place - SOURCE.affine[:3, 3][:, None]) / SOURCE.spacing_mm
    return sample(detail[None], points)[0]


@lru_cache(maxsize=1)
def _detail_map() -> np.ndarray:
    """(X, Y, Z) on `SOURCE`: residual of the template's T1 after a linear fit of its tissues."""
    template = load_template(SOURCE.shape, SOURCE.affine)
    inside = template.brain > 0.9
    tissues = template.tissues[:, inside].T
    weights, *_ = np.linalg.lstsq(tissues, template.t1[inside], rcond=None)
    detail = np.zeros(inside.shape, np.float32)
    detail[inside] = np.clip(template.t1[inside] - tissues @ weights, -0.1, 0.1)
    return detail
