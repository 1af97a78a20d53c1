"""The thumbnail sheet: a picture of prepared subjects, for a person to see whether they look like brains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import ndimage

from fl_components.cohort.subject import Subject
from fl_components.durable import replace_durably
from fl_components.vocabulary import BACKGROUND, LABELS, SEQUENCES, TUMOUR

COLOURS: Final = ("#000000", "#4c9be8", "#8d8d8d", "#f2f2f2", "#c2452d", "#f0c419", "#57b947")
"""One a label: fluid blue, matter in greys, the tumour's parts apart from each other also for the colour-blind."""
CELL_INCHES: Final = 1.7
MARGIN_VOXELS: Final = 1


def thumbnail_sheet(subjects: Iterable[Subject], path: Path) -> None:
    """Write a PNG: a row a subject, axial slices of the four sequences and the anatomy, sagittal ones of FLAIR and it.

    The slices go through the tumour's thickest place, or through the brain's middle where there is no tumour. The
    patient's left is on the viewer's left, and the sagittal slices look to the right.
    """
    rows = list(subjects)
    columns = (*SEQUENCES, "anatomy", "FLAIR, sagittal", "anatomy, sagittal")
    figure = Figure(figsize=(CELL_INCHES * len(columns), CELL_INCHES * len(rows) + 0.6), facecolor="black")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for cells, subject in zip(axes, rows, strict=True):
        pictures = _pictures(subject)
        for cell, picture in zip(cells, pictures, strict=True):
            is_label = np.issubdtype(picture.dtype, np.integer)
            scale = {"cmap": ListedColormap(COLOURS), "vmin": 0, "vmax": len(LABELS) - 1} if is_label else {
                "cmap": "gray", "vmin": 0, "vmax": 1}
            cell.imshow(picture.T, origin="lower", interpolation="nearest" if is_label else "bilinear", **scale)
            cell.set_axis_off()
        cells[0].text(0, 1, subject.name, transform=cells[0].transAxes, color="white", fontsize=7, va="top")
    for cell, title in zip(axes[0], columns, strict=True):
        cell.set_title(title, color="white", fontsize=9)
    figure.legend(handles=[Patch(color=COLOURS[label], label=name) for label, name in LABELS.items() if label],
                  loc="lower center", ncols=len(LABELS) - 1, fontsize=8, labelcolor="white", frameon=False)
    figure.subplots_adjust(0.005, 0.35 / figure.get_figheight(), 0.995, 1 - 0.3 / figure.get_figheight(), 0.02, 0.04)
    _write(figure, path)


def _pictures(subject: Subject) -> list[np.ndarray]:
    """The row's seven slices, cropped to the brain: four sequences and the anatomy axially, FLAIR and anatomy."""
    x, _, z = _centre(subject.labels)
    box = ndimage.find_objects((subject.labels != BACKGROUND).astype(np.uint8))
    box = box[0] if box else tuple(slice(None) for _ in range(3))
    across, along, up = (slice(max(0, (side.start or 0) - MARGIN_VOXELS), side.stop and side.stop + MARGIN_VOXELS)
                         for side in box)
    axial, sagittal = np.s_[across, along, z], np.s_[x, along, up]
    flair = subject.images[SEQUENCES.index("FLAIR")]
    return [*(image[axial] for image in subject.images), subject.labels[axial], flair[sagittal],
            subject.labels[sagittal]]


def _centre(labels: np.ndarray) -> tuple[int, ...]:
    """The voxel deepest inside the tumour, or the middle of the brain."""
    tumour = np.isin(labels, TUMOUR)
    if tumour.any():
        depth = ndimage.distance_transform_edt(tumour)
        return tuple(int(index) for index in np.unravel_index(depth.argmax(), labels.shape))
    brain = np.argwhere(labels != BACKGROUND)
    middle = brain.mean(axis=0) if len(brain) else np.array(labels.shape) / 2
    return tuple(int(index) for index in middle)


def _write(figure: Figure, path: Path) -> None:
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=130,
                                                         facecolor=figure.get_facecolor()))
