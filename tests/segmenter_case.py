"""Subjects that a segmenter learns in seconds: boxes of white matter with a ball of tumour."""

from __future__ import annotations

import numpy as np
import torch
from small_run import CONTRAST

from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.precision import Precision
from fl_components.study import Grid
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, WHITE_MATTER

GRID = Grid(shape=(16, 16, 16), spacing_mm=12.0)
PLAIN = Precision(torch.device("cpu"), bfloat16=False)


def make_subjects(count: int, first: int = 0) -> list[Subject]:
    """A box of white matter with a ball of tumour somewhere in it; number k is always the same."""
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    places = np.indices(GRID.shape)
    subjects = []
    for k in range(first, first + count):
        centre = np.random.default_rng(k).uniform(5, 11, 3)
        distance = np.sqrt(((places - centre.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
        labels = np.digitize(-distance, [-5, -3.5, -2]).astype(np.uint8)
        labels = np.array([WHITE_MATTER, OEDEMA, ENHANCING, NECROTIC], np.uint8)[labels]
        subjects.append(Subject(str(k), paint(labels, contrast), labels, contrast))
    return subjects
