"""What an anatomy is like, in numbers: volumes, ventricles, and the tumour's size, make-up, place and shape."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage
from skimage.measure import marching_cubes, mesh_surface_area

from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, CSF, ENHANCING, GREY_MATTER, N_LABELS, NECROTIC, TUMOUR, WHITE_MATTER

BRAIN_MEASURES: Final = ("brain_ml", "csf_share", "grey_share", "white_share", "ventricle_ml", "cortex_surface_ratio")
TUMOUR_MEASURES: Final = ("tumour_ml", "foci", "necrosis_share", "oedema_share", "enhancing_share", "lateral_mm",
                          "anterior_mm", "superior_mm", "tumour_compactness", "tumour_surface_ratio",
                          "core_compactness")
MEASURES: Final = (*BRAIN_MEASURES, *TUMOUR_MEASURES)

VENTRICLE_SHARES: Final = ((0.30, 0.70), (0.18, 0.72), (0.33, 0.72))
"""Where in the brain's bounding box (left to right, back to front, bottom to top) lateral and third ventricles lie."""
VENTRICLE_DEPTH_MM: Final = 14.0
"""CSF nearer to the brain's surface than this is in sulci and cisterns."""
SMALLEST_FOCUS: Final = 0.02
"""Parts with less than this share of the tumour are specks."""


def measure_anatomy(labels: np.ndarray, grid: Grid) -> dict[str, float]:
    """The measures of one anatomy, by the names of `MEASURES`.

    Volumes in ml; shares of the healthy brain for its tissues and of the whole tumour for its parts; place as the
    tumour's centre of mass from the centre of the brain's bounding box in mm (`lateral_mm` without its side);
    compactness as sphericity, pi^(1/3) (6 V)^(2/3) / A, 1 for a ball (Wadell 1935), the surface being that of the
    smoothed mask; surface ratios A / V in 1/mm. In a healthy brain `tumour_ml` and `foci` are 0 and the other measures
    of a tumour NaN.

    Args:
        labels: (X, Y, Z) anatomy with some brain in it.
        grid: where it lies.
    """
    voxel_ml = grid.spacing_mm**3 / 1000
    volumes = np.bincount(labels.ravel(), minlength=N_LABELS) * voxel_ml
    brain = labels != BACKGROUND
    healthy = float(volumes[[CSF, GREY_MATTER, WHITE_MATTER]].sum())
    found = {
        "brain_ml": float(volumes[1:].sum()), "csf_share": float(volumes[CSF]) / healthy,
        "grey_share": float(volumes[GREY_MATTER]) / healthy, "white_share": float(volumes[WHITE_MATTER]) / healthy,
        "ventricle_ml": float(ventricles(labels, grid).sum()) * voxel_ml,
        "cortex_surface_ratio": surface_mm2(labels == WHITE_MATTER, grid) / max(volumes[WHITE_MATTER] * 1000, 1)}
    return found | _tumour(labels, brain, volumes, grid)


def _tumour(labels: np.ndarray, brain: np.ndarray, volumes: np.ndarray, grid: Grid) -> dict[str, float]:
    tumour = np.isin(labels, TUMOUR)
    total = float(sum(volumes[part] for part in TUMOUR))
    if not tumour.any():
        return dict.fromkeys(TUMOUR_MEASURES, np.nan) | {"tumour_ml": 0.0, "foci": 0.0}
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    middle = np.array([(side.start + side.stop - 1) / 2 for side in box])
    offset = (np.array(ndimage.center_of_mass(tumour)) - middle) * grid.spacing_mm
    surface = surface_mm2(tumour, grid)
    core = np.isin(labels, (NECROTIC, ENHANCING))
    return {
        "tumour_ml": total, "foci": float(count_foci(tumour)),
        "necrosis_share": float(volumes[NECROTIC]) / total,
        "oedema_share": 1 - float(volumes[NECROTIC] + volumes[ENHANCING]) / total,
        "enhancing_share": float(volumes[ENHANCING]) / total,
        "lateral_mm": abs(float(offset[0])), "anterior_mm": float(offset[1]), "superior_mm": float(offset[2]),
        "tumour_compactness": sphericity(total * 1000, surface), "tumour_surface_ratio": surface / (total * 1000),
        "core_compactness": sphericity(core.sum() * grid.spacing_mm**3, surface_mm2(core, grid))}


def ventricles(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """(X, Y, Z) bool: CSF deep in the middle of the brain, by place alone; no atlas is needed."""
    brain = labels != BACKGROUND
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    middle = np.zeros_like(brain)
    middle[tuple(slice(side.start + round(low * (side.stop - side.start)),
                       side.start + round(high * (side.stop - side.start)))
                 for side, (low, high) in zip(box, VENTRICLE_SHARES, strict=True))] = True
    depth = ndimage.distance_transform_edt(ndimage.binary_fill_holes(brain), sampling=grid.spacing_mm)
    return (labels == CSF) & middle & (depth > VENTRICLE_DEPTH_MM)


def count_foci(tumour: np.ndarray) -> int:
    """Separate parts of a (X, Y, Z) mask, without specks; diagonal neighbours are one part."""
    parts, _ = ndimage.label(tumour, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    return int((sizes > SMALLEST_FOCUS * tumour.sum()).sum())


def surface_mm2(mask: np.ndarray, grid: Grid) -> float:
    """Area of a mask's surface by marching cubes, after smoothing over a voxel; 0 for a mask too small to have one."""
    soft = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), 0.7)
    if not soft.max() > 0.5:
        return 0.0
    corners, faces, _, _ = marching_cubes(soft, 0.5, spacing=(grid.spacing_mm,) * 3)
    return float(mesh_surface_area(corners, faces))


def sphericity(volume_mm3: float, area_mm2: float) -> float:
    """How near to a ball's its surface is, 1 at most but for the grid's coarseness; NaN without a surface."""
    return float(np.pi ** (1 / 3) * (6 * volume_mm3) ** (2 / 3) / area_mm2) if area_mm2 else float("nan")
