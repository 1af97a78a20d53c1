"""V0: a classifier that never sees the release must not tell members from holdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from privacy_eval.statistics.ranks import mann_whitney_u

BLIND_COMPONENTS: Final = 10
BLIND_FOLDS: Final = 5
BLIND_REPEATS: Final = 4
"""Draws of the folds whose scores are averaged, so that their chance weighs little."""

BLIND_INFLATION: Final = float(np.sqrt(2))
"""Out-of-fold scores of a linear classifier have √2 times the null SE of independent scores.

Each pair of subjects in different folds enters twice, once from either side and with the same sign, so the null
variance of U doubles. (Simulated: 1.2 to 1.5 times for 30 to 70 a side, 3 to 20 features, 2 to 10 folds.)"""


def blind_features(vectors: np.ndarray, volumes: Sequence[np.ndarray]) -> np.ndarray:
    """What V0 sees of all subjects together: principal components and what the feature space takes away.

    Args:
        vectors: members and holdout in the feature space, shape (n, features). No label is used, so that
            exchangeable subjects stay exchangeable.
        volumes: the same subjects' volumes (C, X, Y, Z): per sequence, mean and SD of the intensities and the share
            of voxels that are not 0 are added.

    Returns:
        Shape (n, components + 3 C).
    """
    components = min(BLIND_COMPONENTS, len(vectors) - 1, vectors.shape[1])
    coordinates = PCA(components, svd_solver="full").fit_transform(vectors)
    return np.concatenate([coordinates, np.stack([_acquisition(volume) for volume in volumes])], axis=1)


def blind_u(members: np.ndarray, holdout: np.ndarray, rng: np.random.Generator) -> float:
    """V0: U of a member-against-holdout classifier that never sees the release.

    Logistic regression scored out of fold, the mean over several draws of the folds. Under a random split its AUC
    is .5 with at most `BLIND_INFLATION` times the null SE; above that the split was not random and every membership
    test means nothing (Das, Zhang, Tramèr 2024, arXiv 2406.16201).

    Args:
        members: features, shape (n_m, features).
        holdout: features, shape (n_h, features).
        rng: draws the folds.
    """
    features = np.concatenate([members, holdout])
    is_member = np.arange(len(features)) < len(members)
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    scores = np.zeros(len(features))
    for _ in range(BLIND_REPEATS):
        folds = StratifiedKFold(
            min(BLIND_FOLDS, len(members), len(holdout)), shuffle=True, random_state=int(rng.integers(2**31))
        )
        scores += cross_val_predict(classifier, features, is_member, cv=folds, method="decision_function")
    return mann_whitney_u(scores[is_member], scores[~is_member])


def _acquisition(volume: np.ndarray) -> np.ndarray:
    flat = np.asarray(volume).reshape(len(volume), -1)
    mean, spread = flat.mean(axis=1, dtype=np.float64), flat.std(axis=1, dtype=np.float64)
    return np.concatenate([mean, spread, np.mean(flat != 0, axis=1)])
