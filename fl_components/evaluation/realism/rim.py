"""The rim: can a detector tell from patches around the tumour's outer boundary which tumour is synthetic?

Authors of synthetic tumours see them "superimposed" on the brain. Patches are cut by one rule from real and synthetic
volumes alike: centred on the outer boundary, as deep in the brain, in tumours paired by volume, so that place and size
give nothing away; each sequence of a patch is standardised, so that the scanner's contrast does not either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from fl_components.cohort.subject import Subject
from fl_components.evaluation.realism.answer import Measured
from fl_components.evaluation.realism.profile import signed_distance
from fl_components.evaluation.realism.resampling import detector_auc
from fl_components.vocabulary import BACKGROUND, TUMOUR

PATCHES: Final = 8
"""A subject."""
RADIUS_MM: Final = 12.0
DEPTH_MM: Final = 10.0
"""A patch's centre is at least so deep in the brain: skull and outline are not in the question."""
FOLDS: Final = 5
LEAST_PAIRS: Final = 10


@dataclass(frozen=True)
class Rim:
    """A tumour's rim: `volume` of the whole tumour in voxels, `patches` (k, F) from `patch_features`, k ≥ 1."""

    volume: int
    patches: np.ndarray

    @classmethod
    def of(cls, subject: Subject, spacing_mm: float, rng: np.random.Generator) -> Self | None:
        """The rim of a subject; None if it has no tumour deep enough in the brain."""
        distance, brain = signed_distance(subject.labels, spacing_mm), subject.labels != BACKGROUND
        points = rim_points(distance, brain, spacing_mm, rng)
        if not len(points):
            return None
        side = max(1, round(RADIUS_MM / spacing_mm))
        images = np.pad(subject.images, ((0, 0), *[(side, side)] * 3))
        distance, brain = np.pad(distance, side, constant_values=np.inf), np.pad(brain, side)
        cuts = [tuple(slice(int(start), int(start) + 2 * side + 1) for start in point) for point in points]
        patches = [patch_features(images[(slice(None), *cut)], distance[cut], brain[cut], spacing_mm) for cut in cuts]
        return cls(int(np.isin(subject.labels, TUMOUR).sum()), np.stack(patches))


def rim_auc(real: Sequence[Rim], synthetic: Sequence[Rim], seed: int) -> Measured | None:
    """AUC of "looks synthetic" over subjects, each scored by detectors that never saw it; .5 is ideal.

    Gradient boosting on `patch_features`, `FOLDS` folds by subject; a subject's score is the mean over its patches.

    Returns:
        The AUC, or None if fewer than `LEAST_PAIRS` tumours of either kind can be paired.
    """
    pairs = paired_by_volume([rim.volume for rim in real], [rim.volume for rim in synthetic])
    if len(pairs) < LEAST_PAIRS:
        return None
    features = [rim.patches for a, b in pairs for rim in (real[a], synthetic[b])]
    kind = np.tile([0, 1], len(pairs))
    scores = _held_out_scores(features, kind, seed)
    return detector_auc(scores[kind == 0], scores[kind == 1])


def rim_points(distance: np.ndarray, brain: np.ndarray, spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """(k, 3) voxels on the tumour's outer boundary, at least `DEPTH_MM` deep in the brain; k ≤ `PATCHES`, without
    replacement. Both kinds of volume are sampled so.

    Args:
        distance: (X, Y, Z) mm to the boundary (`profile.signed_distance`).
        brain: (X, Y, Z) bool.
        spacing_mm: of the grid.
        rng: of the draw.
    """
    depth = ndimage.distance_transform_edt(np.pad(brain, 1), spacing_mm)[1:-1, 1:-1, 1:-1]
    points = np.argwhere((distance < 0) & (distance >= -spacing_mm) & (depth >= DEPTH_MM))
    return points[rng.permutation(len(points))[:PATCHES]]


def patch_features(patch: np.ndarray, distance: np.ndarray, brain: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(F,) what the detector sees of a patch, by sequence and by shell of distance to the boundary.

    Mean, SD, mean gradient and mean curvature (the Laplacian's size), as far as the brain reaches; then how the
    sequences go together, and how the residuals of neighbouring voxels do (the grain of the noise).

    Args:
        patch: (4, P, P, P) intensities.
        distance: (P, P, P) mm to the tumour's outer boundary, below 0 inside.
        brain: (P, P, P) bool.
        spacing_mm: of the grid.
    """
    inside = patch[:, brain]
    standard = (patch - inside.mean(axis=1)[:, None, None, None]) / np.maximum(inside.std(axis=1), 1e-3)[
        :, None, None, None]
    standard = np.where(brain, standard, 0)
    gradient = np.sqrt(sum(one**2 for one in np.gradient(standard, axis=(1, 2, 3))))
    curved = np.abs(np.stack([ndimage.laplace(one) for one in standard]))
    width = max(4.0, spacing_mm)
    shell = np.clip(np.floor(np.clip(distance, -RADIUS_MM, RADIUS_MM) / width).astype(int), -3, 2)
    found = []
    for k in range(-3, 3):
        voxels = brain & (shell == k)
        if voxels.sum() < 3:
            found.append(np.full(16, np.nan))
            continue
        found.append(np.concatenate([standard[:, voxels].mean(axis=1), standard[:, voxels].std(axis=1),
                                     gradient[:, voxels].mean(axis=1), curved[:, voxels].mean(axis=1)]))
    rest = standard - np.stack([ndimage.uniform_filter(one, 3) for one in standard])
    with np.errstate(invalid="ignore", divide="ignore"):
        together = np.corrcoef(standard[:, brain])[np.triu_indices(len(patch), 1)]
        grain = np.corrcoef(rest[:, brain])[np.triu_indices(len(patch), 1)]
    lag = [(one[1:] * one[:-1]).mean() / max(float((one**2).mean()), 1e-9) for one in rest]
    return np.concatenate([*found, together, grain, lag, rest[:, brain].std(axis=1)])


def paired_by_volume(real: Sequence[float], synthetic: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs of tumours of like volume, each used once, as many as there are of the rarer kind.

    The sum of |log of the ratio| is the least possible.
    """
    cost = np.abs(np.log(np.asarray(real, float))[:, None] - np.log(np.asarray(synthetic, float)))
    return [(int(a), int(b)) for a, b in zip(*linear_sum_assignment(cost), strict=True)]


def _held_out_scores(features: Sequence[np.ndarray], kind: np.ndarray, seed: int) -> np.ndarray:
    owner = np.repeat(np.arange(len(features)), [len(rows) for rows in features])
    rows = np.nan_to_num(np.concatenate(features))  # a shell that no patch has is nothing to learn from
    scores = np.zeros(len(features))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(kind, kind):
        learn, judge = np.isin(owner, train), np.isin(owner, test)
        model = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.1, max_leaf_nodes=8, l2_regularization=1.0,
                                               random_state=seed)
        model.fit(rows[learn], kind[owner[learn]])
        found = model.decision_function(rows[judge])
        sums = np.bincount(owner[judge], found, len(features)) / np.maximum(np.bincount(
            owner[judge], minlength=len(features)), 1)
        scores[test] = sums[test]
    return scores
