"""The space of normalised voxels: what an image looks like beside what all brains share.

A synthetic volume is often blurry, and a blurry volume lies near everything in raw voxels: it then says as much
about a member as about anybody. So the space takes away what all brains share and keeps directions only:

1. every sequence is averaged over cubes of voxels (antialiased) until it has at most `maximum_voxels`;
2. every sequence is divided by its root mean square, so that scanner gain and dark sequences do not count;
3. the mean of public images (simulated subjects; else the release itself) is taken away;
4. what is left is scaled to length 1. The distance is Euclidean, from 0 (same) over √2 (unrelated) to 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.spaces.cubes import cube_means, cube_sides, pooled_grid
from privacy_eval.spaces.images import ImageSet, Picture

MAXIMUM_VOXELS: Final = 20_000
"""Voxels a sequence keeps in the space "voxels"; a finer grid is averaged over cubes of 2, 3, … voxels a side."""

COARSE_VOXELS: Final = 2_500
"""Voxels a sequence keeps in the space "coarse", which forgives small shifts and texture."""


@dataclass(frozen=True)
class VoxelSpace:
    """A frozen map from images to unit vectors, a `Space`.

    Attributes:
        name: for results.
        shape: (C, *grid) of the images it takes; the grid has two or three axes.
        sides: voxels a side of the averaged cubes, for each axis.
        centre: what is taken away, shape (features,), float32.
    """

    name: str
    shape: tuple[int, ...]
    sides: tuple[int, ...]
    centre: np.ndarray

    @classmethod
    def fit(cls, public: ImageSet, name: str = "voxels", maximum_voxels: int = MAXIMUM_VOXELS) -> VoxelSpace:
        """Take the centre from public images: never from members or holdout.

        Raises:
            InputError: if there is no image or one is not finite.
        """
        if len(public) == 0:
            raise InputError(f"public images: found none for the space '{name}'; expected at least one")
        shape = public.images.shape[1:]
        sides = cube_sides(shape[1:], maximum_voxels)
        centre = np.zeros(shape[0] * int(np.prod(pooled_grid(shape[1:], sides))), np.float64)
        for picture in public:
            centre += _scaled(picture.images, sides)
        if not np.isfinite(centre).all():
            raise InputError("public images: hold values that are not finite; expected finite intensities, mend them")
        return cls(name, shape, sides, (centre / len(public)).astype(np.float32))

    def map(self, pictures: Iterable[Picture]) -> np.ndarray:
        """Unit vectors, shape (n, features), float32, of pictures read one by one.

        An image whose scaled voxels are the centre itself has no direction and maps to zeros.

        Raises:
            InputError: if an image has another shape than the space was fitted on, or is not finite.
        """
        vectors = [self._vector(picture.images) for picture in pictures]
        return np.stack(vectors) if vectors else np.empty((0, len(self.centre)), np.float32)

    def _vector(self, images: np.ndarray) -> np.ndarray:
        if images.shape != self.shape:
            raise InputError(f"image: found shape {images.shape}; expected {self.shape} as the public images have")
        centred = _scaled(images, self.sides) - self.centre
        length = float(np.linalg.norm(centred))
        if not np.isfinite(length):
            raise InputError("image: holds values that are not finite; expected finite intensities, mend or drop it")
        return centred / np.float32(length) if length > 0 else centred


def _scaled(images: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Averaged cubes of each sequence over its root mean square, flattened, float32."""
    means = cube_means(images, sides).reshape(len(images), -1)
    size = np.sqrt(np.mean(means**2, axis=1, keepdims=True))
    return (means / np.where(size > 0, size, 1)).ravel()
