"""What every feature space is to the audit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from privacy_eval.spaces.images import Picture


class Space(Protocol):
    """A frozen map from images to vectors in which near means alike; fitted on public images, never on a patient's."""

    @property
    def name(self) -> str:
        """A short word for results, such as "voxels"."""
        ...

    def map(self, pictures: Iterable[Picture]) -> np.ndarray:
        """Vectors, (n, features) float32, compared by their Euclidean distance; pictures are read one by one."""
        ...
