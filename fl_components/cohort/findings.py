"""What was found in one case when it was prepared, kept for the check of the site."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from fl_components.cohort.case import Case, Scan
from fl_components.cohort.prepare import Placed
from fl_components.cohort.subject import Subject
from fl_components.toml_model import Settings
from fl_components.vocabulary import HEALTHY, SEQUENCES, TUMOUR


class CaseFindings(Settings):
    """Numbers of one person's scan: they stay at the site.

    `tissue_shares` are CSF, grey and white matter as shares of the brain outside the tumour; `share_outside` is the
    share of the brain beyond the study grid; `sequences` those that are there. The tumour's volume is the mask's, or
    what the labeller found where there is no mask.
    """

    name: str
    person: str
    sequences: tuple[str, ...]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    axes: str
    label_values: tuple[int, ...]
    negative_share: float
    brain_ml: float
    tumour_ml: float
    tissue_shares: tuple[float, float, float]
    share_outside: float


def examine(case: Case, scan: Scan, placed: Placed, subject: Subject, spacing_mm: float) -> CaseFindings:
    """Findings of a case from its scan on disk and the subject made from it."""
    voxel_ml = abs(np.linalg.det(scan.affine[:3, :3])) / 1000
    tumour_ml = float(np.count_nonzero(scan.tumour) * voxel_ml)
    if not scan.tumour.any():
        tumour_ml = float(np.isin(subject.labels, TUMOUR).sum() * spacing_mm**3 / 1000)
    tissues = np.bincount(subject.labels.ravel(), minlength=max(HEALTHY) + 1)[list(HEALTHY)]
    shape, spacing = scan.tumour.shape, nib.affines.voxel_sizes(scan.affine)
    return CaseFindings(
        name=case.name,
        person=case.person,
        sequences=tuple(name for name, there in zip(SEQUENCES, scan.available, strict=True) if there),
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        axes="".join(nib.aff2axcodes(scan.affine)),
        label_values=tuple(np.unique(scan.values).tolist()),
        negative_share=float((scan.images[scan.available] < 0).mean()),
        brain_ml=placed.brain_ml,
        tumour_ml=tumour_ml,
        tissue_shares=tuple((tissues / tissues.sum()).tolist()),
        share_outside=placed.share_outside,
    )
