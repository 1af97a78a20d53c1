"""A subject's own segmentation on its scan's voxels, to score on what was drawn and not on a coarser grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

from fl_components.cohort.case import Case
from fl_components.cohort.cohort import site_cases
from fl_components.cohort.layout import read_scan
from fl_components.cohort.prepare import voxels_on_grid
from fl_components.cohort.subject import Subject
from fl_components.site import Site
from fl_components.study import Grid


@dataclass(frozen=True)
class Original:
    """What was drawn in a scan.

    Attributes:
        labels: (X, Y, Z) uint8 tumour labels on the scan's voxels, 0 elsewhere.
        to_grid: 4×4, the scan's voxel indices to the study grid's.
        spacing_mm: of the scan's voxels.
    """

    labels: np.ndarray
    to_grid: np.ndarray
    spacing_mm: tuple[float, float, float]

    def resampled(self, found: np.ndarray) -> np.ndarray:
        """Labels on the study grid (x, y, z) as the nearest of them to each of the scan's voxels; 0 beyond the grid."""
        moved: np.ndarray = ndimage.affine_transform(found, self.to_grid[:3, :3], self.to_grid[:3, 3],
                                                     self.labels.shape, order=0, mode="grid-constant", cval=0)
        return moved


def read_original(case: Case, dialect: str | None, grid: Grid) -> Original | None:
    """A case's own segmentation; None if it has none.

    Raises:
        InputError: as `read_scan`.
    """
    if case.seg is None and case.anatomy is None:
        return None
    scan = read_scan(case, dialect)
    x, y, z = (float(size) for size in nib.affines.voxel_sizes(scan.affine))
    return Original(scan.tumour, voxels_on_grid(case, scan, grid), (x, y, z))


def read_originals(site: Site, subjects: Sequence[Subject], grid: Grid) -> list[Original | None]:
    """Of each of a site's subjects; they are read at the site and stay there (errors as `read_scan`)."""
    cases = {case.name: case for case in site_cases(site)}
    return [read_original(cases[subject.name], site.data.dialect, grid) for subject in subjects]
