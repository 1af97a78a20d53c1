"""Sampled anatomies in place of patients: scanned as simulated hospitals scan, prepared and labelled as their sites do.

What the labelling makes of a brain is then the same on both sides of a comparison.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import BrainTraits
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy
from fl_components.anatomy.threads import one_blas_thread
from fl_components.anatomy.tumour import TumourTraits, push_displacement
from fl_components.cohort.case import Case, Scan
from fl_components.cohort.prepare import make_subject
from fl_components.cohort.simulate.patient import Patient, PatientTraits, native_grid
from fl_components.cohort.simulate.scanner import Scanner
from fl_components.cohort.simulate.structure import build_structure
from fl_components.cohort.simulate.subject import scan
from fl_components.study import Grid
from fl_components.vocabulary import SEQUENCES, TUMOUR

AGES: Final = (25, 80)
INFILTRATION_MM: Final = 4.0
"""How far cells lie beyond the contour."""
_CASE: Final = Case("sampled", tuple(Path(name) for name in SEQUENCES), Path("mask"))


def scanned_again(rng: np.random.Generator, scanner: Scanner, grid: Grid) -> np.ndarray:
    """A new sampled anatomy as a site would know it: (X, Y, Z) uint8 labels on the grid.

    Args:
        rng: source of anatomy and scan.
        scanner: of the hospital it comes to.
        grid: the study's.
    """
    native = native_grid(scanner.spacing_mm)
    drawn = AnatomySampler(native, prepared=False).sample(rng)
    patient = _patient(rng, drawn, native)
    with one_blas_thread():
        images = scan(rng, patient, build_structure(rng, patient), scanner).astype(np.float32)
    tumour = np.where(np.isin(drawn.labels, TUMOUR), drawn.labels, 0).astype(np.uint8)
    spacing = native.spacing_mm
    found = make_subject(_CASE, Scan(images, tumour, tumour, np.diag([spacing, spacing, spacing, 1.0])), grid)[0]
    return found.labels


def _patient(rng: np.random.Generator, drawn: SampledAnatomy, native: Grid) -> Patient:
    assert drawn.tumour is not None
    assert drawn.push is not None
    push = push_displacement(drawn.push, native.shape, native.spacing_mm)
    cells = ndimage.gaussian_filter(np.isin(drawn.labels, TUMOUR).astype(np.float32),
                                    INFILTRATION_MM / native.spacing_mm)
    traits = PatientTraits(float(rng.uniform(*AGES)), _kind(drawn.tumour), BrainTraits(**drawn.record["brain"]),
                           drawn.tumour, len(drawn.record["tumour"]["seeds_template_mm"]))
    return Patient(traits, native, drawn.healthy.displaced(push, native.spacing_mm), drawn.labels, cells)


def _kind(tumour: TumourTraits) -> str:
    """What the hospitals call a tumour with this rim."""
    return "low grade" if tumour.rim_mm == 0 else "solid" if tumour.rim_mm > 50 else "ring"
