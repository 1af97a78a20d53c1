"""The feature space in which volumes are near or far, and nearest distances in it.

A synthetic volume is often blurry, and a blurry volume lies near everything in raw voxels: it then says as much
about a member as about anybody. So the space takes away what all brains share and keeps directions only:

1. every sequence is averaged over cubes of voxels (antialiased) until it has at most `MAXIMUM_VOXELS`;
2. every sequence is divided by its root mean square, so that scanner gain and dark sequences do not count;
3. the mean of public volumes (simulated subjects; else the release itself) is taken away;
4. what is left is scaled to length 1. The distance is Euclidean, from 0 (same) over √2 (unrelated) to 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from privacy_eval.errors import InputError

MAXIMUM_VOXELS: Final = 20_000
"""Voxels a sequence may keep; a finer grid is averaged over cubes of 2, 3, … voxels a side."""


@dataclass(frozen=True)
class FeatureSpace:
    """A frozen map from volumes to unit vectors.

    Attributes:
        shape: (C, X, Y, Z) of the volumes it takes.
        side: voxels a side of the averaged cubes.
        centre: what is taken away, shape (features,), float32.
    """

    shape: tuple[int, ...]
    side: int
    centre: np.ndarray

    @classmethod
    def fit(cls, public: np.ndarray) -> FeatureSpace:
        """Take the centre from public volumes, shape (n, C, X, Y, Z): never from members or holdout.

        Raises:
            InputError: if there is no volume or the array is not five-dimensional.
        """
        if public.ndim != 5 or len(public) == 0:
            raise InputError(f"public volumes: found shape {public.shape}; expected (n, sequences, X, Y, Z), n >= 1")
        shape = public.shape[1:]
        side = _cube_side(shape[1:])
        centre = np.zeros(_features(shape, side), np.float64)
        for volume in public:
            centre += _scaled(volume, side)
        return cls(shape, side, (centre / len(public)).astype(np.float32))

    def map(self, volumes: Iterable[np.ndarray]) -> np.ndarray:
        """Unit vectors, shape (n, features), float32, of volumes (C, X, Y, Z) read one by one.

        Raises:
            InputError: if a volume has another shape than the space was fitted on, or is not finite.
        """
        vectors = [self._vector(volume) for volume in volumes]
        return np.stack(vectors) if vectors else np.empty((0, len(self.centre)), np.float32)

    def _vector(self, volume: np.ndarray) -> np.ndarray:
        if volume.shape != self.shape:
            raise InputError(f"volume: found shape {volume.shape}; expected {self.shape} as the public volumes have")
        centred = _scaled(volume, self.side) - self.centre
        length = float(np.linalg.norm(centred))
        if not np.isfinite(length):
            raise InputError("volume: holds values that are not finite; expected finite intensities, mend or drop it")
        return centred / np.float32(length) if length > 0 else centred


def _cube_side(grid: tuple[int, ...]) -> int:
    side = 1
    while np.prod([-(-length // side) for length in grid]) > MAXIMUM_VOXELS:
        side += 1
    return side


def _features(shape: tuple[int, ...], side: int) -> int:
    return int(shape[0] * np.prod([-(-length // side) for length in shape[1:]]))


def _scaled(volume: np.ndarray, side: int) -> np.ndarray:
    """Averaged cubes of each sequence over its root mean square, flattened, float32."""
    means = _cube_means(np.asarray(volume, np.float32), side).reshape(len(volume), -1)
    size = np.sqrt(np.mean(means**2, axis=1, keepdims=True))
    return (means / np.where(size > 0, size, 1)).ravel()


def _cube_means(volume: np.ndarray, side: int) -> np.ndarray:
    """Means over cubes; the grid's end is padded with zeros to whole cubes."""
    if side == 1:
        return volume
    padding = [(0, 0)] + [(0, -length % side) for length in volume.shape[1:]]
    padded = np.pad(volume, padding)
    x, y, z = (length // side for length in padded.shape[1:])
    return padded.reshape(len(volume), x, side, y, side, z, side).mean(axis=(2, 4, 6))
