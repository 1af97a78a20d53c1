"""The picture of docs/labelling.md: simulated patients, their truth, and what mixture and labeller make of them.

    python -m benchmarks.labeller_picture [RUN] [--output docs/images/labelling.png]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.arguments import run_parser
from benchmarks.hospitals import all_simulated
from benchmarks.labeller import Patient, by_labeller, by_mixture, read_patient, site_files
from fl_components.cohort.sheet import COLOURS
from fl_components.durable import replace_durably
from fl_components.vocabulary import LABELS, N_LABELS, SEQUENCES, TUMOUR
from privacy_eval.errors import InputError

EVERYTHING: Final = np.ones(len(SEQUENCES), bool)
T1_ALONE: Final = np.array([name == "T1" for name in SEQUENCES])
COLUMNS: Final = ("T1", "FLAIR", "truth", "mixture, mask given", "labeller, mask given", "labeller, T1 and mask",
                  "labeller, no mask")


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs/images/labelling.png")
    arguments = parser.parse_args()
    try:
        study = arguments.run.study()
        if not all_simulated(arguments.run):
            raise InputError(f"{arguments.run.path}: holds real persons; a picture is made of simulated ones only")
        patients = [read_patient(*site_files(site, 1)[0], study.grid) for site in arguments.run.sites(study)]
        draw(patients, study.grid.spacing_mm, arguments.output)
    except InputError as error:
        parser.error(str(error))
    return 0


def draw(patients: list[Patient], spacing_mm: float, path: Path) -> None:
    """Write a PNG: a row a patient, an axial slice through the thickest part of its tumour."""
    figure = Figure(figsize=(1.6 * len(COLUMNS), 1.9 * len(patients) + 0.6), facecolor="black")
    axes = figure.subplots(len(patients), len(COLUMNS), squeeze=False)
    for cells, patient in zip(axes, patients, strict=True):
        k = int(np.isin(patient.truth, TUMOUR).sum(axis=(0, 1)).argmax())
        maps = (patient.truth, by_mixture(patient, EVERYTHING, spacing_mm),
                by_labeller(patient, EVERYTHING, spacing_mm), by_labeller(patient, T1_ALONE, spacing_mm),
                by_labeller(patient, EVERYTHING, spacing_mm, masked=False))
        for cell, name in zip(cells[:2], ("T1", "FLAIR"), strict=True):
            cell.imshow(patient.images[SEQUENCES.index(name), :, :, k].T, origin="lower", cmap="gray", vmin=0, vmax=1)
        for cell, labels in zip(cells[2:], maps, strict=True):
            cell.imshow(labels[:, :, k].T, origin="lower", cmap=ListedColormap(COLOURS), vmin=0, vmax=N_LABELS - 1,
                        interpolation="nearest")
        for cell in cells:
            cell.set_axis_off()
    for cell, title in zip(axes[0], COLUMNS, strict=True):
        cell.set_title(title, color="white", fontsize=8)
    figure.legend(handles=[Patch(color=COLOURS[label], label=name) for label, name in LABELS.items() if label],
                  loc="lower center", ncols=N_LABELS - 1, fontsize=8, labelcolor="white", frameon=False)
    figure.subplots_adjust(0.005, 0.06, 0.995, 0.96, 0.02, 0.02)
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=90, facecolor="black"))


if __name__ == "__main__":
    sys.exit(main())
