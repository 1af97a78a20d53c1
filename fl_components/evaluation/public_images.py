"""The public simulator's own images: what a release must beat to have been worth the patients' data."""

from __future__ import annotations

from typing import Final

import numpy as np

from fl_components.anatomy.field import random_field
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.server.population import ContrastPopulation
from fl_components.study import Grid

NOISE: Final = (0.01, 0.08)
"""Range of the noise's standard deviation in images of range 1."""
BIAS: Final = (0.0, 0.2)
"""Range of the smooth field's standard deviation, as a logarithm."""
BIAS_MM: Final = 60.0


def public_subject(labels: np.ndarray, population: ContrastPopulation, grid: Grid, rng: np.random.Generator) -> Subject:
    """An anatomy painted with a drawn contrast, times a smooth bias, plus white noise; within [0, 1] in the brain.

    Args:
        labels: (X, Y, Z) anatomy.
        population: the sites' contrasts.
        grid: of the anatomy.
        rng: source of contrast, bias and noise.
    """
    contrast = population.draw(labels, rng)
    bias = np.exp(rng.uniform(*BIAS) * random_field(rng, labels.shape, BIAS_MM / grid.spacing_mm))
    noise = rng.uniform(*NOISE, (4, 1, 1, 1)) * rng.standard_normal((4, *labels.shape))
    images = np.clip(paint(labels, contrast) * bias + noise, 0, 1) * (labels > 0)
    return Subject("public", images.astype(np.float32), labels, contrast)
