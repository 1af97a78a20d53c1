"""Mosaics: scans of simulated hospitals and released volumes, in two columns, and shuffled with the key below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from fl_components.durable import replace_durably
from jobs.quiz_cases import Case
from jobs.quiz_page import case_picture

COLUMNS: Final = 2
_INCHES: Final = (6.0, 1.65)


def side_by_side_mosaic(cases: Sequence[Case], path: Path) -> Path:
    """Scans on the left, released volumes on the right, as many rows as there are of the rarer kind."""
    real, synthetic = ([case for case in cases if case.kind == kind] for kind in ("real", "synthetic"))
    rows = min(len(real), len(synthetic))
    return _draw([case for pair in zip(real[:rows], synthetic[:rows], strict=True) for case in pair], path,
                 ("simulated hospitals' scans", "released volumes"), "")


def shuffled_mosaic(cases: Sequence[Case], path: Path) -> Path:
    """Numbered and in the quiz's order; the key is written upside down at the bottom."""
    synthetic = ", ".join(str(k) for k, case in enumerate(cases, 1) if case.kind == "synthetic")
    return _draw(cases, path, ("", ""), f"synthetic: {synthetic}")


def _draw(cases: Sequence[Case], path: Path, titles: tuple[str, str], key: str) -> Path:
    rows = -(-len(cases) // COLUMNS)
    height = _INCHES[1] * rows + 0.5
    figure = Figure(figsize=(_INCHES[0] * COLUMNS, height), facecolor="black")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for k, case in enumerate(cases):
        cell = axes[k // COLUMNS, k % COLUMNS]
        cell.imshow(case_picture(case.slices), cmap="gray", vmin=0, vmax=255)
        if key:
            cell.text(0, 1, str(k + 1), transform=cell.transAxes, color="white", fontsize=9, va="top")
    for cell, title in zip(axes[0], titles, strict=True):
        cell.set_title(title, color="white", fontsize=10)
    figure.text(0.5, 0.1 / height, key, color="white", fontsize=9, ha="center", rotation=180)
    figure.subplots_adjust(0.005, 0.3 / height, 0.995, 1 - 0.25 / height, 0.02, 0.03)
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=90, facecolor="black"))
    return path
