"""What lay below a given tumour, and how far it pushed: estimates from the other hemisphere.

A given anatomy does not say what it was before its tumour. Two assumptions restore it. The push is of the kind that our
tumours make, and strong enough that its undoing makes the two halves alike. The tissue below the tumour is what lies at
the mirrored place of the other half, after that undoing; where tumour is there too, or nothing, the nearest healthy
tissue. Folds of the cortex are not symmetric, so what is restored is plausible, not true.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.anatomy.brain import SOURCE
from fl_components.anatomy.deform import voxel_grid, warp
from fl_components.anatomy.template import load_template
from fl_components.anatomy.tumour import push_displacement, push_velocity
from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, CSF, ENHANCING, HEALTHY, NECROTIC, TUMOUR

PUSH_SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Pushes that are tried, as shares of the core's radius."""
USUAL_SHARE: Final = 0.275
"""Mean push of the tumours we sample. Symmetry alone says little of a small one, so the two are averaged."""
BLUR_MM: Final = 6.0
"""Halves are compared this blurred: ventricles and lobes, not folds."""


def one_hot(labels: np.ndarray) -> np.ndarray:
    """(3, X, Y, Z) float32: CSF, grey and white matter."""
    return np.stack([labels == tissue for tissue in HEALTHY]).astype(np.float32)


def template_coordinates(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """(3, X, Y, Z) template millimetres of every voxel: the brain's bounding box laid onto the template's."""
    low, high = _box(labels != BACKGROUND)
    source = load_template(SOURCE.shape, SOURCE.affine)
    source_low, source_high = _box(source.brain > 0.5)
    corner = SOURCE.affine[:3, 3]
    to_low, to_high = corner + source_low * SOURCE.spacing_mm, corner + source_high * SOURCE.spacing_mm
    scale = ((to_high - to_low) / np.maximum(high - low, 1)).reshape(3, 1, 1, 1)
    return ((voxel_grid(grid.shape) - low.reshape(3, 1, 1, 1)) * scale + to_low.reshape(3, 1, 1, 1)).astype(np.float32)


def symmetric_push(labels: np.ndarray, grid: Grid) -> tuple[float, np.ndarray]:
    """The push to be undone: its share of the core's radius, and its velocity.

    Half-way between the one whose undoing makes the halves most alike, and the usual one.
    """
    spacing = grid.spacing_mm
    core = (labels == NECROTIC) | (labels == ENHANCING)
    inside = (labels != BACKGROUND).astype(np.float32)
    tumour = np.isin(labels, TUMOUR)
    radius_mm = float(np.cbrt(core.sum() * spacing**3 * 3 / (4 * np.pi)))
    unit = push_velocity(core, inside, radius_mm, spacing)
    if not unit.any():
        return 0.0, unit
    maps = np.concatenate([one_hot(labels), tumour[None].astype(np.float32)])
    unlike = {share: _unlike(_undone(maps, share * unit, spacing), spacing) for share in PUSH_SHARES}
    share = (min(unlike, key=lambda tried: unlike[tried]) + USUAL_SHARE) / 2
    return share, share * unit


def restored(labels: np.ndarray, push: np.ndarray, grid: Grid) -> np.ndarray:
    """(3, X, Y, Z) healthy tissues under the same push, one-hot wherever the given labels are healthy."""
    spacing = grid.spacing_mm
    tumour = np.isin(labels, TUMOUR)
    maps = np.concatenate([one_hot(labels), tumour[None].astype(np.float32)])
    before = _undone(maps, push, spacing)
    filled = _filled(before[:3], before[3])
    again = warp(filled, push_displacement(push, labels.shape, spacing), spacing)
    below = np.eye(len(HEALTHY), dtype=np.float32)[again.argmax(axis=0)]
    return np.where(tumour, np.moveaxis(below, -1, 0), one_hot(labels)).astype(np.float32)


def mirrored(volume: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(…, X, Y, Z) read at the mirrored place: across the middle of the brain's bounding box along the first axis."""
    low, high = _box(inside)
    index = np.clip(int(low[0] + high[0]) - np.arange(volume.shape[-3]), 0, volume.shape[-3] - 1)
    return volume[..., index, :, :]


def _filled(tissues: np.ndarray, tumour: np.ndarray) -> np.ndarray:
    """Tissues (3, X, Y, Z) with the tumour's place taken by the other half's."""
    gone = tumour > 0.05
    inside = tissues.sum(axis=0) + tumour > 0.5
    other = mirrored(tissues, inside)
    usable = gone & (other.sum(axis=0) > 0.5) & ~mirrored(gone, inside)
    result = np.where(usable, other, tissues)
    left = gone & ~usable
    if left.any():
        known = (tissues.sum(axis=0) > 0.5) & (tissues[HEALTHY.index(CSF)] < 0.5) & ~left | usable
        nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        result = np.where(left, result[(slice(None), *nearest)], result)
    return np.asarray(result, np.float32)


def _undone(maps: np.ndarray, push: np.ndarray, spacing_mm: float) -> np.ndarray:
    return warp(maps, push_displacement(-push, maps.shape[1:], spacing_mm), spacing_mm)


def _unlike(maps: np.ndarray, spacing_mm: float) -> float:
    """Mean difference of the blurred halves, where neither holds tumour."""
    tissues, tumour = maps[:3], maps[3] > 0.05
    inside = tissues.sum(axis=0) + maps[3] > 0.5
    healthy = inside & ~tumour & ~mirrored(tumour, inside)
    smooth = np.stack([ndimage.gaussian_filter(tissue, BLUR_MM / spacing_mm) for tissue in tissues])
    return float(np.abs(smooth - mirrored(smooth, inside))[:, healthy].mean())


def _box(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mask's first and last voxel along each axis."""
    axes = [np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return np.array([found[0] for found in axes]), np.array([found[-1] for found in axes])
