"""A detector: how well a classifier tells two sets of label maps apart that it was not trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from skimage.transform import downscale_local_mean
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fl_components.anatomy.measures import MEASURES, measure_anatomy
from fl_components.study import Grid
from fl_components.vocabulary import N_LABELS
from privacy_eval.errors import InputError
from privacy_eval.statistics.ranks import UStatistic, u_statistic

FOLDS: Final = 5
BLOCKS: Final = 5
"""Along each axis the grid is cut into this many blocks whose tissue shares are features."""
COMPONENTS: Final = 20
"""Principal components of the blocks' shares: where tissues lie, in a few numbers."""
NO_TUMOUR: Final = -1.0
"""Stands for the shape of a tumour that is not there; no shape has it."""


def anatomy_features(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """What the detector sees of a (X, Y, Z) anatomy: its measures, which labels are neighbours how often, and the
    share of each label in coarse blocks; float64, of a length that depends on nothing but `MEASURES` and `BLOCKS`."""
    measures = measure_anatomy(labels, grid)
    return np.concatenate([[measures[name] for name in MEASURES], neighbours(labels), block_shares(labels)])


def neighbours(labels: np.ndarray) -> np.ndarray:
    """How often each pair of labels shares a face, per voxel of the brain: the grain of the label map; (28,)."""
    pairs = np.zeros((N_LABELS, N_LABELS))
    for axis in range(3):
        moved = np.moveaxis(labels, axis, 0).astype(np.int64)
        counts = np.bincount((moved[:-1] * N_LABELS + moved[1:]).ravel(), minlength=N_LABELS**2)
        pairs += counts.reshape(N_LABELS, N_LABELS)
    either: np.ndarray = pairs + pairs.T
    return either[np.triu_indices(N_LABELS)] / max(int(np.count_nonzero(labels)), 1)


def block_shares(labels: np.ndarray) -> np.ndarray:
    """Share of each label in each of BLOCKS³ blocks; (7 BLOCKS³,)."""
    size = tuple(-(-length // BLOCKS) for length in labels.shape)
    shares = [downscale_local_mean(labels == label, size) for label in range(N_LABELS)]
    return np.stack([share[:BLOCKS, :BLOCKS, :BLOCKS] for share in shares]).ravel()


def detect(real: np.ndarray, synthetic: np.ndarray, seed: int = 0) -> UStatistic:
    """How far a classifier tells the two sets apart, by cross-validation: every score is of a subject it did not see.

    Gradient boosting on the features; `FOLDS` folds, the classes mixed alike in each. An AUC of .5 is chance. Scores of
    different folds come from different classifiers, which can only lower the AUC.

    Args:
        real: (n, F) features, `FOLDS` rows or more.
        synthetic: (m, F) features, as many.
        seed: of the folds.

    Returns:
        The statistic of "looks synthetic", the synthetic ones counted as members.

    Raises:
        InputError: if there are fewer than `FOLDS` of either.
    """
    if min(len(real), len(synthetic)) < FOLDS:
        raise InputError(f"a detector needs at least {FOLDS} anatomies of each kind, found {len(real)} real and "
                         f"{len(synthetic)} synthetic; bring more")
    features = np.nan_to_num(np.concatenate([real, synthetic]), nan=NO_TUMOUR)
    kind = np.repeat([0, 1], [len(real), len(synthetic)])
    head = len(features[0]) - N_LABELS * BLOCKS**3
    places = PCA(min(COMPONENTS, len(features) - 1), random_state=seed).fit_transform(features[:, head:])
    model = HistGradientBoostingClassifier(random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, np.concatenate([features[:, :head], places], axis=1), kind, cv=folds,
                               method="predict_proba")[:, 1]
    return u_statistic(scores[kind == 1], scores[kind == 0])
