"""What the images are worth, for the report of simulated hospitals: quality beside leakage, baselines beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

import numpy as np
import torch
from scipy import stats

from fl_components.cohort.cohort import Cohort
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.render import render
from fl_components.server.synthesize import trained_generator
from fl_components.site import Site
from fl_components.study import Study
from fl_components.training.quality import compare
from jobs.run_folder import RunFolder
from privacy_eval.report import Table

_SUBJECTS: Final = 10
"""Holdout subjects a site: enough for an interval, seconds to render."""

FIGURES: Final = ("l1", "tissue_error", "high_frequency_share", "texture_share")


def quality_table(run: RunFolder, study: Study, sites: Sequence[Site]) -> Table:
    """The generator and the lookup table on holdout subjects, given their anatomy and contrast."""
    precision = choose_precision(study.training.precision)
    generator = trained_generator(run.server, study, precision)
    rows = []
    for site in sites:
        subjects = list(islice(Cohort.load(site, study).subjects("holdout"), _SUBJECTS))
        for name, figures in measure(generator, subjects, precision).items():
            rows.append((site.name, name, str(len(subjects)), *(_interval(figures[figure]) for figure in FIGURES)))
    return Table(
        "Quality on holdout subjects of simulated hospitals, given their anatomy and contrast",
        ("site", "images from", "n", "L1 (0 is best)", "tissue error (0 is best)", "high-frequency share (1 is best)",
         "texture share (1 is best)"),
        rows,
        "Mean over subjects and sequences with its 95 % interval. The lookup table paints each tissue with its "
        "contrast: it is as near in L1 as a network, and its sharp tissue edges hold as many high frequencies as a "
        "scan. The texture share counts only the high frequencies beyond those edges: 0 for the lookup table, 1 for a "
        "scan. A generator that has none of it has learned nothing.")


def measure(generator: Generator, subjects: Sequence[Subject],
            precision: Precision) -> dict[str, dict[str, np.ndarray]]:
    """Figures of "generator" and "lookup table": each an (n,) array, a subject's mean over sequences."""
    rows: dict[str, list[list[float]]] = {"generator": [], "lookup table": []}
    for subject in subjects:
        images = render(generator, subject.labels, subject.contrast, torch.Generator().manual_seed(0), precision)
        for name, made in (("generator", images), ("lookup table", paint(subject.labels, subject.contrast))):
            found = compare(made, subject.images, subject.labels)
            rows[name].append([float(np.mean(list(found[figure].values()))) for figure in FIGURES])
    return {name: dict(zip(FIGURES, np.array(values).T, strict=True)) for name, values in rows.items()}


def _interval(values: np.ndarray) -> str:
    mean = values.mean()
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"
