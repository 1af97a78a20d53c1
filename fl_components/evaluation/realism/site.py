"""A release beside a site's own scans, computed at the site: what leaves is `RealismStatistics` and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.evaluation.realism.answer import (
    FRECHETS,
    HISTOGRAMS,
    MMDS,
    PROFILES,
    RIM_AUC,
    SIMILAR_REAL,
    SIMILAR_SYNTHETIC,
    SPECTRA,
    VOLUME_AUC,
    Measured,
    RealismStatistics,
)
from fl_components.evaluation.realism.description import Description
from fl_components.evaluation.realism.distribution import frechet_by_chance, frechet_distance, kernel_distance, whitened
from fl_components.evaluation.realism.histogram import histogram_distance
from fl_components.evaluation.realism.profile import profile_difference
from fl_components.evaluation.realism.resampling import LEAST_ERROR, Samples, jackknife
from fl_components.evaluation.realism.rim import rim_auc
from fl_components.evaluation.realism.spectrum import fine_log_ratio
from fl_components.evaluation.realism.volume_detector import volume_auc, volume_features

MINIMUM_SUBJECTS: Final = 20
"""Of either kind; with fewer the site abstains: intervals would say nothing, and a subject of few would say much."""


def site_realism(real: Sequence[Subject], synthetic: Sequence[Subject], spacing_mm: float, rng: np.random.Generator,
                 minimum_subjects: int = MINIMUM_SUBJECTS) -> RealismStatistics:
    """Compare a release with a site's subjects that were never trained on.

    Args:
        real: subjects of the site's holdout or test part, all with four sequences.
        synthetic: the release on the same grid, as subjects.
        spacing_mm: of the grid.
        rng: of the patches, the pairs and the folds.
        minimum_subjects: the site abstains if there are fewer of either.
    """
    if min(len(real), len(synthetic)) < minimum_subjects:
        return RealismStatistics.abstention()
    first, second = (Description.of(side, spacing_mm, rng) for side in (real, synthetic))
    return compare_sets(first, second, rng)


def compare_sets(real: Description, synthetic: Description, rng: np.random.Generator) -> RealismStatistics:
    """Every measure of two sets that are described already; `rng` is of the folds and the relabellings."""
    seed = int(rng.integers(2**31))
    rim = rim_auc(real.rims, synthetic.rims, seed)
    values: dict[str, Measured] = {} if rim is None else {RIM_AUC: rim}
    values |= jackknife(profile_difference, (real.profiles, synthetic.profiles), PROFILES)
    for k, (frechet, mmd) in enumerate(zip(FRECHETS, MMDS, strict=True)):
        values |= _feature_distances((real.features[:, k], synthetic.features[:, k]), frechet, mmd, seed)
    values |= _similarities(real.similarities, SIMILAR_REAL) | _similarities(synthetic.similarities, SIMILAR_SYNTHETIC)
    values |= jackknife(histogram_distance, (real.histograms, synthetic.histograms), HISTOGRAMS)
    values |= jackknife(fine_log_ratio, (real.spectra, synthetic.spectra), SPECTRA)
    whole = [volume_features(one.features, one.spectra, one.histograms) for one in (real, synthetic)]
    values[VOLUME_AUC] = volume_auc(whole[0], whole[1], seed)
    return RealismStatistics(len(real), len(synthetic), values)


def _feature_distances(samples: Samples, frechet: str, mmd: str, seed: int) -> dict[str, Measured]:
    few = whitened(*samples)
    found = jackknife(lambda a, b: np.array([frechet_distance(a, b)]), few, [frechet])
    found = {name: Measured(one.value - frechet_by_chance(*few, seed), one.error) for name, one in found.items()}
    all_of_them = whitened(*samples, components=samples[0].shape[1])
    return found | jackknife(lambda a, b: np.array([kernel_distance(a, b)]), all_of_them, [mmd])


def _similarities(pairs: np.ndarray, names: Sequence[str]) -> dict[str, Measured]:
    """Means over subjects; each pair holds two of them, which at most doubles the standard error (Hoeffding 1948)."""
    error = 2 * pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    return {name: Measured(float(value), max(float(spread), LEAST_ERROR))
            for name, value, spread in zip(names, pairs.mean(axis=0), error, strict=True)}
