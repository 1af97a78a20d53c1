"""Dice and the 95 % Hausdorff distance of BraTS's three regions, on the study's grid or on the scan's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance
from scipy import ndimage
from torch import nn

from fl_components.cohort.subject import Subject
from fl_components.evaluation.original import Original
from fl_components.networks.precision import Precision
from fl_components.networks.segmenter import labels_found
from fl_components.study import Grid
from fl_components.vocabulary import REGIONS, TUMOUR

Measure = Literal["dice", "hd95"]
MEASURES: Final[tuple[Measure, ...]] = ("dice", "hd95")

HD95_PENALTY_MM: Final = 373.1287
"""Of a region that is there and of which nothing was found: the diagonal of 240×240×155 mm, as BraTS's evaluation has
it. One such subject moves a mean by millimetres, so medians are reported beside."""


@dataclass(frozen=True)
class Scores:
    """Scores of n subjects.

    Attributes:
        dice: (n,) by region; nan where a subject does not have the region, 0 where nothing of it was found.
        hd95: (n,) millimetres by region; nan likewise, `HD95_PENALTY_MM` where nothing of it was found.
        original: (n,) bool, whether a subject was scored on its scan's own voxels.
    """

    dice: dict[str, np.ndarray]
    hd95: dict[str, np.ndarray]
    original: np.ndarray

    def of(self, measure: Measure) -> dict[str, np.ndarray]:
        """One of the two by region."""
        return self.dice if measure == "dice" else self.hd95

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Scores of several groups of subjects as one."""
        def join(measure: Measure) -> dict[str, np.ndarray]:
            return {region: np.concatenate([part.of(measure)[region] for part in parts]) for region in REGIONS}

        return cls(join("dice"), join("hd95"), np.concatenate([part.original for part in parts]))


@torch.inference_mode()
def segment(network: nn.Module, images: np.ndarray, precision: Precision) -> np.ndarray:
    """The tumour labels (X, Y, Z) uint8 that a segmenter finds in (4, X, Y, Z) images; 0 elsewhere."""
    with precision.autocast():
        scores = network(precision.lay_out(torch.from_numpy(images[None])))
    return labels_found(scores[0])


def score_subjects(network: nn.Module, subjects: Iterable[Subject], grid: Grid, precision: Precision,
                   originals: Sequence[Original | None] = (), distances: bool = True) -> Scores:
    """Segment subjects and score what was found.

    Args:
        network: a trained segmenter, in evaluation mode.
        subjects: on the study's grid.
        grid: that grid.
        precision: where and in which format to run.
        originals: of the same subjects, their segmentations on their own voxels: where there is one, it is the truth.
        distances: whether to measure `hd95` as well, most of the time; else it is nan throughout.
    """
    rows = []
    for k, subject in enumerate(subjects):
        found = segment(network, subject.images, precision)
        original = originals[k] if originals else None
        if original is None:
            rows.append((*score(found, subject.labels, (grid.spacing_mm,) * 3, distances), False))
        else:
            rows.append((*score(original.resampled(found), original.labels, original.spacing_mm, distances), True))
    return Scores({region: np.array([dice[region] for dice, _, _ in rows]) for region in REGIONS},
                  {region: np.array([hd95[region] for _, hd95, _ in rows]) for region in REGIONS},
                  np.array([there for _, _, there in rows], bool))


def score(found: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float],
          distances: bool = True) -> tuple[dict[str, float], dict[str, float]]:
    """Dice and 95 % Hausdorff distance in mm of each region of two label maps (X, Y, Z); see `Scores` for the rest."""
    masks = _masks(np.stack([found, truth]))
    dice = compute_dice(masks[:1], masks[1:])[0].tolist()
    hd95 = [_distance(masks[:, k:k + 1], spacing_mm) if distances else float("nan") for k in range(len(REGIONS))]
    return dict(zip(REGIONS, dice, strict=True)), dict(zip(REGIONS, hd95, strict=True))


def _masks(labels: np.ndarray) -> torch.Tensor:
    """(2, X, Y, Z) label maps to (2, regions, …) bool, cut to the box that holds both tumours: elsewhere is nothing."""
    tumour = np.isin(labels, TUMOUR)
    box = ndimage.find_objects(tumour.any(axis=0).astype(np.uint8))
    near = labels[(slice(None), *(box[0] if box else (slice(0, 1),) * 3))]
    return torch.from_numpy(np.stack([np.isin(near, region) for region in REGIONS.values()], axis=1))


def _distance(masks: torch.Tensor, spacing_mm: tuple[float, float, float]) -> float:
    found, truth = masks.any(dim=(1, 2, 3, 4)).tolist()
    if not truth:
        return float("nan")
    if not found:
        return HD95_PENALTY_MM
    distance = compute_hausdorff_distance(masks[:1], masks[1:], include_background=True, percentile=95,
                                          spacing=list(spacing_mm))
    return float(distance[0, 0])
