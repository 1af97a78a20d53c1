"""A set of subjects in the numbers that realism compares: taken once, compared with as many sets as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.evaluation.realism.diversity import pair_similarities
from fl_components.evaluation.realism.features import features_of
from fl_components.evaluation.realism.histogram import tissue_histograms
from fl_components.evaluation.realism.profile import boundary_profile
from fl_components.evaluation.realism.rim import Rim
from fl_components.evaluation.realism.spectrum import radial_spectrum


@dataclass(frozen=True)
class Description:
    """Of n subjects, one row each.

    Attributes:
        rims: of those that have a tumour deep enough in the brain.
        profiles: (n, 4, D) from `boundary_profile`.
        features: (n, views, F) from `features_of`.
        similarities: (n, 4) from `pair_similarities`.
        histograms: (n, 4, 6, BINS) from `tissue_histograms`.
        spectra: (n, 4, SHELLS) from `radial_spectrum`.
    """

    rims: list[Rim]
    profiles: np.ndarray
    features: np.ndarray
    similarities: np.ndarray
    histograms: np.ndarray
    spectra: np.ndarray

    @classmethod
    def of(cls, subjects: Sequence[Subject], spacing_mm: float, rng: np.random.Generator) -> Self:
        """Measure subjects on one grid.

        Args:
            subjects: two or more, with four sequences.
            spacing_mm: of the grid.
            rng: of the patches and the pairs.
        """
        rims = [Rim.of(subject, spacing_mm, rng) for subject in subjects]
        return cls(
            rims=[rim for rim in rims if rim is not None],
            profiles=np.stack([boundary_profile(one.images, one.labels, spacing_mm) for one in subjects]),
            features=features_of(subjects, spacing_mm), similarities=pair_similarities(subjects, rng),
            histograms=np.stack([tissue_histograms(one.images, one.labels) for one in subjects]),
            spectra=np.stack([radial_spectrum(one.images, one.labels) for one in subjects]))

    def __len__(self) -> int:
        return len(self.features)
