"""The picture of an edit: before, after and their difference, four sequences and the anatomy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import ndimage

from fl_components.cohort.sheet import COLOURS
from fl_components.durable import replace_durably
from fl_components.vocabulary import BACKGROUND, LABELS, SEQUENCES, TUMOUR

CELL_INCHES: Final = 1.9
DIFFERENCE: Final = 0.5
"""Difference of intensity at which the colours of the third row end."""
VIEWS: Final = ("axial", "coronal", "sagittal")


def edit_picture(labels: tuple[np.ndarray, np.ndarray], images: tuple[np.ndarray, np.ndarray] | None, path: Path,
                 title: str) -> None:
    """Write a PNG.

    With images: an axial slice of the four sequences and the anatomy, before, after, and after minus before. Without:
    the anatomy in three views. Slices go through both tumours where one can. The patient's left is on the viewer's
    left.

    Args:
        labels: before and after, (X, Y, Z).
        images: before and after, (4, X, Y, Z) in [0, 1], or None.
        path: of the file.
        title: above it all.
    """
    box = ndimage.find_objects((labels[0] != BACKGROUND).astype(np.uint8))[0]
    rows = _anatomies(labels, box) if images is None else _sequences(labels, images, box)
    names = VIEWS if images is None else (*SEQUENCES, "anatomy")
    figure = Figure(figsize=(CELL_INCHES * len(names), CELL_INCHES * 1.15 * len(rows) + 0.8), facecolor="black")
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    for cells, (row_name, pictures) in zip(axes, rows, strict=True):
        for cell, picture in zip(cells, pictures, strict=True):
            cell.imshow(picture.T, origin="lower", **_scale(picture))
            cell.set_axis_off()
        cells[0].text(0.02, 0.98, row_name, transform=cells[0].transAxes, color="white", fontsize=8, va="top",
                      bbox={"facecolor": "black", "edgecolor": "none", "pad": 1})
    for cell, name in zip(axes[0], names, strict=True):
        cell.set_title(name, color="white", fontsize=9)
    height = figure.get_figheight()
    figure.suptitle(title, color="white", fontsize=10, y=1 - 0.1 / height, va="top")
    figure.legend(handles=[Patch(color=COLOURS[label], label=name) for label, name in LABELS.items() if label],
                  loc="lower center", ncols=len(LABELS) - 1, fontsize=7, labelcolor="white", frameon=False)
    figure.subplots_adjust(0.005, 0.3 / height, 0.995, 1 - 0.5 / height, 0.02, 0.02)
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=100, facecolor="black"))


Row = tuple[str, list[np.ndarray]]


def _sequences(labels: tuple[np.ndarray, np.ndarray], images: tuple[np.ndarray, np.ndarray],
               box: tuple[slice, ...]) -> list[Row]:
    cut: tuple[Any, ...] = (*box[:2], _slice(labels, axis=2))
    rows: list[Row] = [(name, [*(image[cut] for image in images[k]), labels[k][cut]])
                       for k, name in enumerate(("before", "after"))]
    changed = np.where(labels[0] != labels[1], labels[1], 0)[cut].astype(labels[0].dtype)
    differences = [(after - before)[cut].astype(np.float64) for before, after in zip(*images, strict=True)]
    return [*rows, ("after - before", [*differences, changed])]


def _anatomies(labels: tuple[np.ndarray, np.ndarray], box: tuple[slice, ...]) -> list[Row]:
    cuts = []
    for axis in (2, 1, 0):
        cut: list[Any] = list(box)
        cut[axis] = _slice(labels, axis)
        cuts.append(tuple(cut))
    return [(name, [labels[k][cut] for cut in cuts]) for k, name in enumerate(("before", "after"))]


def _slice(labels: tuple[np.ndarray, np.ndarray], axis: int) -> int:
    """Where both tumours are large, or, where they never meet or there is one, where most tumour is."""
    others = tuple(other for other in range(3) if other != axis)
    areas = [np.isin(anatomy, TUMOUR).sum(axis=others) for anatomy in labels]
    shared = np.minimum(*areas)
    weight = shared if shared.any() else np.add(*areas)
    if not weight.any():
        weight = (labels[0] != BACKGROUND).sum(axis=others)
    return int(weight.argmax())


def _scale(picture: np.ndarray) -> dict[str, Any]:
    if np.issubdtype(picture.dtype, np.integer):
        return {"cmap": ListedColormap(COLOURS), "vmin": 0, "vmax": len(LABELS) - 1, "interpolation": "nearest"}
    if picture.dtype == np.float64:  # differences
        return {"cmap": "RdBu_r", "vmin": -DIFFERENCE, "vmax": DIFFERENCE, "interpolation": "nearest"}
    return {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
