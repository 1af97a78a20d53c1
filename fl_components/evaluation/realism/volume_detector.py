"""The whole volume: can a detector tell synthetic subjects from real ones by features, detail and tissues together?"""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fl_components.evaluation.realism.answer import Measured
from fl_components.evaluation.realism.histogram import BINS
from fl_components.evaluation.realism.resampling import detector_auc

FOLDS: Final = 5
REGULARISATION: Final = 0.01


def volume_auc(real: np.ndarray, synthetic: np.ndarray, seed: int) -> Measured:
    """AUC of "looks synthetic" over subjects, each scored by a classifier that did not see it; .5 is ideal.

    Logistic regression, strongly regularised since there are more features than subjects; `FOLDS` folds.

    Args:
        real: (n, F) from `volume_features`, n ≥ `FOLDS`.
        synthetic: (m, F).
        seed: of the folds.
    """
    rows, kind = np.concatenate([real, synthetic]), np.repeat([0, 1], [len(real), len(synthetic)])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION, class_weight="balanced",
                                                               max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, rows, kind, cv=folds, method="decision_function")
    return detector_auc(scores[kind == 0], scores[kind == 1])


def volume_features(features: np.ndarray, spectra: np.ndarray, histograms: np.ndarray) -> np.ndarray:
    """(n, F): the embedding's features of all views, the spectra, and mean and SD of each tissue in each sequence.

    Args:
        features: (n, views, F) from `features_of`.
        spectra: (n, 4, SHELLS) from `radial_spectrum`.
        histograms: (n, 4, 6, BINS) from `tissue_histograms`; a tissue that is absent counts as 0.
    """
    middles = (np.arange(BINS) + 0.5) / BINS
    mean = (histograms * middles).sum(axis=-1)
    spread = np.sqrt(np.maximum((histograms * middles**2).sum(axis=-1) - mean**2, 0))
    return np.concatenate([part.reshape(len(part), -1) for part in (features, spectra, mean, spread)], axis=1)
