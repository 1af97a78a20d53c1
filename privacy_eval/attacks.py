"""The attacks: one score a subject, higher = more like a member.

Distances are those of `distance.nearest_distance`, in a `FeatureSpace` or any other; members and holdout are told
apart only by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from privacy_eval.statistics import mann_whitney_u

BLIND_COMPONENTS: Final = 10
BLIND_FOLDS: Final = 5
BLIND_REPEATS: Final = 4
"""Draws of the folds whose scores are averaged, so that their chance weighs little."""

BLIND_INFLATION: Final = float(np.sqrt(2))
"""Out-of-fold scores of a linear classifier have √2 times the null SE of independent scores.

Each pair of subjects in different folds enters twice, once from either side and with the same sign, so the null
variance of U doubles. (Simulated: 1.2 to 1.5 times for 30 to 70 a side, 3 to 20 features, 2 to 10 folds.)"""

REPLICA_QUANTILE: Final = 0.01
"""T6's threshold: this quantile of the distances from holdout subjects to their nearest member."""


def nearest_release_scores(to_release: np.ndarray) -> np.ndarray:
    """T1: −min_s d(x, s); GAN-Leaks, full black box (Chen et al. 2020, arXiv 1909.03935).

    Args:
        to_release: each subject's distance to its nearest synthetic volume, shape (n,).
    """
    return -to_release


def calibrated_scores(to_release: np.ndarray, to_reference: np.ndarray) -> np.ndarray:
    """T2: −(min_s d(x, s) − min_r d(x, r)), calibrated GAN-Leaks (arXiv 1909.03935).

    Args:
        to_release: as in T1.
        to_reference: distance to the nearest public subject, shape (n,); never to the holdout.
    """
    return to_reference - to_release


def reconstruction_scores(reconstruction: np.ndarray, predictability: np.ndarray) -> np.ndarray:
    """T4: predictability error − reconstruction error (Shafran, Peleg, Hoshen 2021, arXiv 2102.07762).

    Args:
        reconstruction: mean |G(anatomy, contrast) − y| of each subject, shape (n,).
        predictability: the same error of a lookup table that knows no subject: how hard y is for anyone.
    """
    return predictability - reconstruction


def replica_threshold(holdout_to_members: np.ndarray) -> float:
    """T6: the distance below which a synthetic volume is nearer than two people usually are.

    Args:
        holdout_to_members: each holdout subject's distance to its nearest member, shape (n_h,).
    """
    return float(np.quantile(holdout_to_members, REPLICA_QUANTILE))


def count_replicas(to_release: np.ndarray, threshold: float) -> int:
    """T6: subjects with a synthetic volume strictly nearer than `threshold`."""
    return int(np.sum(to_release < threshold))


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
