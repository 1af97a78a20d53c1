"""Subjects for tests of realism: public anatomies with soft tissue borders, texture, noise and scanners that differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from small_run import CONTRAST

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, measure_contrast, paint
from fl_components.study import Grid

REALISM_GRID = Grid(shape=(28, 32, 28), spacing_mm=6.0)


def lifelike_subjects(seeds: Sequence[int]) -> list[Subject]:
    """One subject a seed, each with a tumour."""
    return [_subject(seed) for seed in seeds]


def _subject(seed: int) -> Subject:
    rng = np.random.default_rng([11, seed])
    labels = AnatomySampler(REALISM_GRID).sample(rng).labels
    spread = CONTRAST + rng.normal(0, 0.03, CONTRAST.shape)
    painted = paint(labels, Contrast(np.clip(spread, 0.02, 1).astype(np.float32), np.ones(6, bool)))
    soft = np.stack([gaussian_filter(one, 0.5) for one in painted])
    texture = np.stack([gaussian_filter(rng.standard_normal(labels.shape), 1.0) for _ in range(4)])
    images = soft + 0.15 * texture + 0.03 * rng.standard_normal(soft.shape)
    images = (np.clip(images, 0, 1) * (labels > 0)).astype(np.float32)
    return Subject(f"s{seed}", images, labels, measure_contrast(images, labels))
