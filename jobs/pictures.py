"""The report's pictures: what was released, and, of simulated hospitals alone, real and generated side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import torch

from fl_components.cohort.cohort import Cohort
from fl_components.cohort.sheet import thumbnail_sheet
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render
from fl_components.server.release import read_release
from fl_components.server.synthesize import release_calibration, trained_generator
from fl_components.site import Site
from fl_components.study import Study
from jobs.quiz_cases import draw_quiz, most_cases
from jobs.quiz_mosaic import shuffled_mosaic
from jobs.run_folder import RunFolder
from privacy_eval.report import Figure

_SHOWN: Final = 6
_SHUFFLED: Final = 12


def release_picture(release: Path, folder: Path) -> Figure:
    """The first volumes of a release with their labels; also written as `<folder>/release.png`."""
    volumes = islice(read_release(release), _SHOWN)
    subjects = [Subject(v.name, v.images, v.labels, measure_contrast(v.images, v.labels)) for v in volumes]
    return _figure("Released volumes with their labels", subjects, folder / "release.png",
                   "The first volumes of the release. A defect looks like: a grid pattern, a tumour without rim where "
                   "its label has one, tissue outside the outline, four sequences that do not fit each other.")


def side_by_side(run: RunFolder, study: Study, sites: Sequence[Site], folder: Path) -> Figure:
    """One holdout subject of each site, above it what the generator makes of its anatomy and contrast.

    Only for simulated hospitals: the picture shows the sites' own scans.
    """
    precision = choose_precision(study.training.precision)
    generator = trained_generator(run.server, study, precision)
    calibration, rows = release_calibration(run.server, study), []
    for site in sites[:3]:
        real = Subject.load(Cohort.load(site, study).holdout[0])
        asked = calibration.asked(real.contrast)
        images = render(generator, real.labels, asked, torch.Generator().manual_seed(0), precision)
        rows += [replace(real, name=f"{site.name}: simulated scan"), replace(real, name="generated", images=images)]
    return _figure("Simulated hospitals' scans and what the generator makes of the same anatomy", rows,
                   folder / "side_by_side.png",
                   "Holdout subjects, never trained on. Scans are shown because every hospital here is simulated.")


def mosaic(run: RunFolder, folder: Path) -> Figure | None:
    """Scans and released volumes shuffled, the key below; also `<folder>/mosaic.png`. None if there are too few.

    Only for simulated hospitals: the picture shows the sites' own scans.
    """
    n = min(_SHUFFLED, most_cases(run))
    if n < 2:
        return None
    path = shuffled_mosaic(draw_quiz(run, n, run.study().seed).cases, folder / "mosaic.png")
    return Figure("Which are simulated hospitals' scans, which are released volumes?", path.read_bytes(),
                  "Four sequences each, through the tumour; of subjects that were never trained on and of the release, "
                  "shuffled, each by a coin of its own. The key stands upside down at the bottom. 'fedsynth quiz RUN' "
                  "scores a reader.")


def _figure(title: str, subjects: Sequence[Subject], path: Path, caption: str) -> Figure:
    thumbnail_sheet(subjects, path)
    return Figure(title, path.read_bytes(), caption)
