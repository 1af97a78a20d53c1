"""What an edit was asked to do and what it did: volumes, places, the ventricles, voxels that changed far away."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import VENTRICLE_CENTRE_MM, VENTRICLE_HALF_SIZE_MM
from fl_components.anatomy.compartments import LEFT, RIGHT
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.model import AddFocus, Edit, Move, Resize, Transplant
from fl_components.vocabulary import ABBREVIATIONS, BACKGROUND, CSF, TUMOUR

EDIT_REACH_MM: Final = 20.0
"""An edit's reach: this far around the tumour before and after; its push has faded beyond."""
IMAGE_CHANGE: Final = 0.02
"""Intensities of 0 to 1 that differ by more are changed, when before is compared with after."""


def edit_measures(before: Head, after: Head, edit: Edit) -> dict[str, Any]:
    """What is written of one edit: plain numbers, ready for JSON."""
    found: dict[str, Any] = {
        "edit": edit.edit,
        "tumour_ml": {"before": round(before.volume_ml, 3), "after": round(after.volume_ml, 3)},
        "parts_ml": {ABBREVIATIONS[part]: round(float((after.labels == part).sum()) * after.voxel_ml, 3)
                     for part in TUMOUR},
        "ventricles_ml": {"before": round(ventricle_ml(before), 2), "after": round(ventricle_ml(after), 2)},
        "changed_beyond_reach": round(changed_beyond_reach(before.labels, after.labels, before.grid.spacing_mm), 6)}
    if isinstance(edit, Resize):
        asked = edit.volume_ml if edit.volume_ml is not None else before.volume_ml * (edit.factor or 1.0)
        found["asked_ml"] = round(asked, 3)
    if isinstance(edit, AddFocus):
        found["asked_ml"] = edit.volume_ml
        found["made_ml"] = round(float((after.stamps[-1] > 0).sum()) * after.voxel_ml, 3)
    if isinstance(edit, Transplant) and edit.tumour is not None:
        found["asked_ml"] = edit.tumour.volume_ml
    if isinstance(edit, Move):
        found |= _moved(before, after, edit)
    return found


def _moved(before: Head, after: Head, edit: Move) -> dict[str, Any]:
    sizes = [-int((stamp > 0).sum()) for stamp in before.stamps]
    start = np.argwhere(before.stamps[int(np.argsort(sizes, kind="stable")[edit.focus - 1])] > 0).mean(axis=0)
    made = (np.argwhere(after.stamps[-1] > 0).mean(axis=0) - start) * before.grid.spacing_mm
    found: dict[str, Any] = {"made_mm": [round(float(value), 2) for value in made],
                             "distance_made_mm": round(float(np.linalg.norm(made)), 2)}
    if edit.by_mm is not None:
        found["distance_asked_mm"] = round(float(np.linalg.norm(edit.by_mm)), 2)
        found["missed_mm"] = round(float(np.linalg.norm(made - np.array(edit.by_mm))), 2)
    return found


def ventricle_ml(head: Head) -> float:
    """Fluid in the ellipsoid that holds the ventricles, in ml."""
    offset = head.pushed.template_mm - VENTRICLE_CENTRE_MM.reshape(3, 1, 1, 1)
    central = ((offset / VENTRICLE_HALF_SIZE_MM.reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
    return float(((head.labels == CSF) & central).sum()) * head.voxel_ml


def crosses_falx(head: Head) -> float:
    """Share of the tumour's voxel faces between the halves, off what joins them: 0 where it is no block across."""
    tumour, rooms = head.tumour, head.rooms
    here, there = rooms[:-1], rooms[1:]
    across = tumour[:-1] & tumour[1:] & ((here == LEFT) & (there == RIGHT) | (here == RIGHT) & (there == LEFT))
    return float(across.sum()) / max(int(tumour.sum()), 1)


def reach(before: np.ndarray, after: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(X, Y, Z) bool: within `EDIT_REACH_MM` of the tumour before or after."""
    tumour = np.isin(before, TUMOUR) | np.isin(after, TUMOUR)
    if not tumour.any():
        return tumour
    return ndimage.distance_transform_edt(~tumour, sampling=spacing_mm) <= EDIT_REACH_MM


def changed_beyond_reach(before: np.ndarray, after: np.ndarray, spacing_mm: float) -> float:
    """Share of the brain's voxels beyond the edit's reach whose label changed."""
    far = ((before != BACKGROUND) | (after != BACKGROUND)) & ~reach(before, after, spacing_mm)
    return float((before != after)[far].mean()) if far.any() else 0.0


def images_changed_beyond_reach(images: tuple[np.ndarray, np.ndarray], before: np.ndarray, after: np.ndarray,
                                spacing_mm: float) -> float:
    """Share of the brain's voxels beyond reach that changed by more than `IMAGE_CHANGE` in any sequence.

    Args:
        images: before and after, (4, X, Y, Z) in [0, 1].
        before: (X, Y, Z) anatomy.
        after: (X, Y, Z) anatomy.
        spacing_mm: voxel size.
    """
    far = ((before != BACKGROUND) | (after != BACKGROUND)) & ~reach(before, after, spacing_mm)
    changed = (np.abs(images[1] - images[0]) > IMAGE_CHANGE).any(axis=0)
    return float(changed[far].mean()) if far.any() else 0.0
