"""Pictures of realism: profiles across the tumour's boundary and power spectra, real and synthetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from fl_components.cohort.subject import Subject
from fl_components.durable import replace_durably
from fl_components.evaluation.realism.profile import boundary_profile, distances_mm
from fl_components.evaluation.realism.spectrum import radial_spectrum, ring_frequencies
from fl_components.vocabulary import SEQUENCES

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images" / "realism"
SHOWN: Final = {"real": "black", "our release": "#d62728", "real, others": "#7f7f7f", "lookup table": "#1f77b4",
                "blurred": "#2ca02c", "tumours pasted": "#9467bd"}
"""Sets that are drawn, and their colours."""

Sets = Mapping[str, Sequence[Subject]]


def draw_profiles(sets: Sets, spacing_mm: float, folder: Path = FOLDER) -> Path:
    """profiles.png: mean intensity by signed distance to the tumour's outer boundary, a panel a sequence."""
    rows = {name: np.stack([boundary_profile(s.images, s.labels, spacing_mm) for s in sets[name]])
            for name in SHOWN if name in sets}
    return _draw(rows, distances_mm(spacing_mm), "mm from the boundary (− inside)",
                 "intensity, SDs of far tissue", folder / "profiles.png")


def draw_spectra(sets: Sets, spacing_mm: float, folder: Path = FOLDER) -> Path:
    """spectra.png: log power inside the brain by frequency, a panel a sequence."""
    rows = {name: np.stack([radial_spectrum(s.images, s.labels) for s in sets[name]]) for name in SHOWN if name in sets}
    return _draw(rows, ring_frequencies() / spacing_mm, "cycles per mm", "log power", folder / "spectra.png")


def _draw(rows: Mapping[str, np.ndarray], across: np.ndarray, below: str, beside: str, path: Path) -> Path:
    """Means over subjects with their 95 % intervals as bands."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for k, (axes, sequence) in enumerate(zip(figure.subplots(1, len(SEQUENCES)), SEQUENCES, strict=True)):
        for name, values in rows.items():
            mean, half = _mean_and_half(values[:, k])
            axes.plot(across, mean, color=SHOWN[name], label=name, linewidth=1.5)
            axes.fill_between(across, mean - half, mean + half, color=SHOWN[name], alpha=0.2, linewidth=0)
        axes.set_title(sequence, fontsize=10)
        axes.set_xlabel(below, fontsize=7)
        axes.tick_params(labelsize=7)
        if k == 0:
            axes.set_ylabel(beside, fontsize=8)
            axes.legend(fontsize=6, frameon=False)
    return _save(figure.savefig, path)


def _mean_and_half(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(axis=0) / count
        spread = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / (count - 1)
        return mean, 1.96 * np.sqrt(spread / count)


def _save(save: Callable[..., None], path: Path) -> Path:
    replace_durably(path, lambda partial: save(partial, format="png", dpi=110))
    return path
