"""Are sampled anatomies as varied as a site's? One number a measure, and a detector's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fl_components.anatomy.measures import MEASURES
from fl_components.evaluation.detector import anatomy_features, detect
from fl_components.study import Grid
from privacy_eval.statistics.ranks import UStatistic, u_statistic

DETECTOR: Final = "detector"
ANATOMY_NUMBERS: Final = (*MEASURES, DETECTOR)
"""What is compared."""


@dataclass(frozen=True)
class AnatomyTable:
    """Features of a set of anatomies; the first columns are `MEASURES`."""

    features: np.ndarray

    @classmethod
    def of(cls, anatomies: Sequence[np.ndarray], grid: Grid) -> AnatomyTable:
        """Measure (X, Y, Z) anatomies, one or more."""
        return cls(np.stack([anatomy_features(labels, grid) for labels in anatomies]))

    def measure(self, name: str) -> np.ndarray:
        """One measure of every anatomy that has it (a healthy brain has no tumour's shape)."""
        values = self.features[:, MEASURES.index(name)]
        return values[~np.isnan(values)]


def compare_anatomies(real: AnatomyTable, sampled: AnatomyTable, seed: int = 0) -> dict[str, UStatistic | None]:
    """Each of `ANATOMY_NUMBERS`: how often a sampled anatomy has more of it than a real one, .5 if they are alike.

    None where one side has no anatomy with that measure. An AUC of .5 can hide a difference in spread, which the
    detector sees.
    """
    found: dict[str, UStatistic | None] = {}
    for name in MEASURES:
        ours, theirs = sampled.measure(name), real.measure(name)
        found[name] = u_statistic(ours, theirs) if len(ours) and len(theirs) else None
    return found | {DETECTOR: detect(real.features, sampled.features, seed)}
