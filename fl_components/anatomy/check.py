"""Could this label map be a brain? Broad limits of adult anatomy; the sampler and edits are held to them."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from fl_components.study import Grid
from fl_components.vocabulary import (
    BACKGROUND,
    CSF,
    ENHANCING,
    GREY_MATTER,
    LABELS,
    N_LABELS,
    NECROTIC,
    TUMOUR,
    WHITE_MATTER,
)

BRAIN_ML: Final = (900.0, 2100.0)
"""Intracranial volume of adults, four standard deviations wide."""
TISSUE_SHARES: Final = {CSF: (0.03, 0.42), GREY_MATTER: (0.25, 0.65), WHITE_MATTER: (0.18, 0.52)}
"""Shares of the healthy part; wide, because a 4 mm voxel is one tissue or the other."""
TUMOUR_ML: Final = (0.5, 260.0)
ONE_PIECE: Final = 0.995
"""Share of the brain's voxels that its largest component holds."""
OUTSIDE_RIM: Final = 0.7
"""At most this share of the voxels around the necrosis of an enhancing tumour is healthy."""


def problems(labels: np.ndarray, grid: Grid) -> list[str]:
    """Why the label map cannot be an adult's brain; empty if nothing speaks against it.

    Args:
        labels: (X, Y, Z) integer anatomy in the shared vocabulary.
        grid: the grid it lies on.

    Returns:
        One sentence a problem, with what was found and what was expected.
    """
    if labels.shape != grid.shape:
        return [f"shape {labels.shape}, expected the grid's {grid.shape}"]
    unknown = sorted(int(value) for value in set(np.unique(labels)) - set(LABELS))
    if unknown:
        return [f"unknown labels {unknown}, expected {min(LABELS)} to {max(LABELS)}"]
    voxel_ml = grid.spacing_mm**3 / 1000
    volumes = np.bincount(labels.ravel().astype(np.int64), minlength=N_LABELS) * voxel_ml
    if volumes[1:].sum() == 0:
        return ["no brain: every voxel is background"]
    return _brain(labels, volumes) + _tumour(labels, volumes)


def _brain(labels: np.ndarray, volumes: np.ndarray) -> list[str]:
    found = []
    total = float(volumes[1:].sum())
    if not BRAIN_ML[0] <= total <= BRAIN_ML[1]:
        found.append(f"brain of {total:.0f} ml, expected {BRAIN_ML[0]:.0f} to {BRAIN_ML[1]:.0f} ml")
    brain = labels != BACKGROUND
    parts, _ = ndimage.label(brain)
    largest = np.bincount(parts[brain]).max() / brain.sum()
    if largest < ONE_PIECE:
        found.append(f"brain in pieces: the largest holds {largest:.1%} of it, expected {ONE_PIECE:.1%}")
    healthy = float(sum(volumes[tissue] for tissue in TISSUE_SHARES))
    for tissue, (low, high) in TISSUE_SHARES.items():
        share = float(volumes[tissue]) / healthy if healthy else 0.0
        if not low <= share <= high:
            found.append(f"{LABELS[tissue]} is {share:.0%} of the healthy brain, expected {low:.0%} to {high:.0%}")
    edge = np.ones(labels.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    cut = float((brain & edge).sum() / brain.sum())
    if cut > 0.01:
        found.append(f"brain cut off: {cut:.1%} of it lies on the grid's edge, expected at most 1%")
    return found


def _tumour(labels: np.ndarray, volumes: np.ndarray) -> list[str]:
    tumour = np.isin(labels, TUMOUR)
    if not tumour.any():
        return []
    found = []
    total = float(sum(volumes[part] for part in TUMOUR))
    if not TUMOUR_ML[0] <= total <= TUMOUR_ML[1]:
        found.append(f"tumour of {total:.1f} ml, expected {TUMOUR_ML[0]} to {TUMOUR_ML[1]:.0f} ml")
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(labels != BACKGROUND, iterations=2))
    floating = float((tumour & ~filled).sum() / tumour.sum())
    if floating > 0.05:
        found.append(f"tumour outside the brain: {floating:.0%} of it, expected at most 5%")
    foci = _foci(tumour)
    if foci > 4:
        found.append(f"tumour in {foci} separate parts, expected at most 4")
    necrosis = labels == NECROTIC
    if necrosis.any() and volumes[ENHANCING] > 0:
        shell = ndimage.binary_dilation(necrosis) & ~necrosis
        bare = float(np.isin(labels, (BACKGROUND, CSF, GREY_MATTER, WHITE_MATTER))[shell].mean())
        if bare > OUTSIDE_RIM:
            found.append(f"necrotic core: {bare:.0%} of its surroundings are healthy, expected a rim around it")
    return found


def _foci(tumour: np.ndarray) -> int:
    """Parts that hold more than 2 % of the tumour, smaller specks not counted; diagonal neighbours are one part."""
    parts, _ = ndimage.label(tumour, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    return int((sizes > 0.02 * tumour.sum()).sum())
