"""The parts of a site's noised summary: their names, sizes, bounds, and shares of what may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from fl_components.vocabulary import N_TISSUES, SEQUENCES, TUMOUR

N_MEANS: Final = N_TISSUES * len(SEQUENCES)
VOLUME_EDGES_ML: Final = (1e-9, 10.0, 25.0, 50.0, 80.0, 120.0)
"""Of the tumour volume's histogram; the first bin is of no tumour."""

ROUNDING: Final = 1e-3
"""Noise is this share larger than accounted for: norms are rounded, and a clipped vector may be a hair longer."""


@dataclass(frozen=True)
class Block:
    """One part of the summary.

    Attributes:
        name: of the field `summary.<name>`.
        size: numbers in it.
        bound: largest L2 norm of one patient's.
        weight: its share of what may be told; the squares of all weights sum to 1.
    """

    name: str
    size: int
    bound: float
    weight: float

    def noise(self, multiplier: float) -> float:
        """Standard deviation of each number's noise."""
        return multiplier * (1 + ROUNDING) * self.bound / self.weight


BLOCKS: Final = (
    Block("deviation", N_MEANS, 1.0, math.sqrt(0.5)),
    Block("square", N_MEANS, 0.25, math.sqrt(0.2)),
    Block("volume", len(VOLUME_EDGES_ML) + 1, 1.0, math.sqrt(0.1)),
    Block("kind", 2 ** len(TUMOUR), 1.0, math.sqrt(0.1)),
    Block("place", 8, 1.0, math.sqrt(0.1)),
)
"""Deviation of the contrast from the public one and its square; tumour volume; which tumour tissues there are; octant
of the tumour's centre."""
