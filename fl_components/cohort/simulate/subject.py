"""One simulated subject: four volumes, the tumour mask, and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fl_components.anatomy.threads import one_blas_thread
from fl_components.cohort.simulate.artefacts import (
    acquire,
    head_shell,
    receive_pattern,
    stripping_mask,
    transmit_bias,
)
from fl_components.cohort.simulate.patient import (
    Patient,
    PatientTraits,
    Population,
    draw_traits,
    make_patient,
    native_grid,
)
from fl_components.cohort.simulate.scanner import Scanner
from fl_components.cohort.simulate.signal import Pulse, Tissue
from fl_components.cohort.simulate.structure import Structure, build_structure
from fl_components.cohort.simulate.tissue import PARENCHYMA, mixture, properties
from fl_components.study import Grid
from fl_components.vocabulary import SEQUENCES, TUMOUR


@dataclass(frozen=True)
class SimulatedSubject:
    """One subject in RAS on its native grid.

    `images`: (4, X, Y, Z) int16 as stored, 0 outside the stripped brain. `labels`: (X, Y, Z) uint8 true anatomy.
    `mask`: (X, Y, Z) uint8, the annotator's tumour in the shared vocabulary. `findings`: blood, cyst, calcification.
    """

    grid: Grid
    traits: PatientTraits
    images: np.ndarray
    labels: np.ndarray
    mask: np.ndarray
    findings: dict[str, bool]


def make_subject(rng: np.random.Generator, scanner: Scanner, population: Population) -> SimulatedSubject:
    """Draw a patient and scan it."""
    grid = native_grid(scanner.spacing_mm)
    with one_blas_thread():
        patient = make_patient(rng, draw_traits(rng, population), grid)
        structure = build_structure(rng, patient)
        images = scan(rng, patient, structure, scanner)
    mask = np.where(np.isin(patient.labels, TUMOUR), patient.labels, 0).astype(np.uint8)
    return SimulatedSubject(grid, patient.traits, images, patient.labels, mask, structure.findings)


def scan(rng: np.random.Generator, patient: Patient, structure: Structure, scanner: Scanner) -> np.ndarray:
    """The four sequences of one session, (4, X, Y, Z) int16, the head stripped to the brain."""
    inside = patient.brain.inside
    plain = mixture(structure.tissue, properties(PARENCHYMA, scanner.field_tesla))
    plain = Tissue(plain.t1 * structure.t1_factor, plain.t2 * structure.t2_factor,
                   plain.t2_star * structure.t2_factor, np.minimum(plain.density * structure.density_factor, 1.0))
    dose = scanner.gadolinium * rng.uniform(0.7, 1.3)
    enhanced = plain.with_gadolinium(dose * structure.gadolinium)
    fat, bone = head_shell(rng, inside, scanner.spacing_mm)
    coil = receive_pattern(rng, inside.shape, scanner)
    uncorrected = coil ** (1 - scanner.coil_corrected) * transmit_bias(rng, inside.shape, scanner) / coil
    kept = stripping_mask(rng, inside, scanner)
    images = np.zeros((len(SEQUENCES), *inside.shape), np.int16)
    for channel, name in enumerate(SEQUENCES):
        acquisition = scanner.sequences[name]
        tissue = enhanced if name == "T1ce" else plain
        signal = _head_signal(acquisition.pulse, tissue, structure, inside, fat, bone, scanner.field_tesla)
        white = float(_pure(acquisition.pulse, "white", scanner.field_tesla))
        image = acquire(rng, signal * coil, acquisition, scanner, acquisition.noise * white) * uncorrected
        scale = scanner.gain[channel] / white * rng.uniform(0.8, 1.25)
        images[channel] = np.where(kept, np.clip(np.rint(image * scale), 1, 32767), 0)
    return images


def _head_signal(pulse: Pulse, tissue: Tissue, structure: Structure, inside: np.ndarray, fat: np.ndarray,
                 bone: np.ndarray, field_tesla: float) -> np.ndarray:
    """(X, Y, Z) noise-free signal: fluid and tissue in their shares inside the brain, fat and bone around it."""
    fluid = float(_pure(pulse, "CSF", field_tesla))
    voxels = structure.fluid * fluid + (1 - structure.fluid) * pulse.signal(tissue)
    signal = float(_pure(pulse, "fat", field_tesla)) * fat + float(_pure(pulse, "bone", field_tesla)) * bone
    signal[structure.where] += inside[structure.where] * voxels
    return signal


def _pure(pulse: Pulse, name: str, field_tesla: float) -> np.ndarray:
    return pulse.signal(properties((name,), field_tesla))[0]
