"""Two spaces of label maps: the anatomy without its tumour, and the tumour alone.

A label map identifies a person as an image does, and a released label map is a release of its own. Values are those
of the study's anatomies: 0 background, 1 CSF, 2 grey matter, 3 white matter, 4 necrotic core, 5 oedema,
6 enhancing tumour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.spaces.cubes import cube_means, cube_sides, pooled_grid
from privacy_eval.spaces.images import ImageSet, Picture
from privacy_eval.spaces.voxels import MAXIMUM_VOXELS

NECROTIC, OEDEMA, ENHANCING = 4, 5, 6
TUMOUR: Final = (NECROTIC, OEDEMA, ENHANCING)
"""Label values of the whole tumour."""
CORE: Final = (NECROTIC, ENHANCING)

TISSUE_CHANNELS: Final = ((1,), (2,), (3, 4, 5, 6))
"""CSF, grey and white matter; a tumour counts as white matter: the space says what a brain is apart from it."""
TUMOUR_CHANNELS: Final = (TUMOUR, CORE, (ENHANCING,))
"""Whole tumour, tumour core and enhancing tumour: the nested regions that gliomas are scored by."""

_N_LABELS: Final = 7


@dataclass(frozen=True)
class MaskSpace:
    """A frozen map from label maps to unit vectors, a `Space`.

    Attributes:
        name: for results.
        grid: of the label maps it takes, two or three axes.
        channels: the label values that each channel joins.
        sides: voxels a side of the averaged cubes, for each axis.
        centre: what is taken away, shape (features,), float32.
    """

    name: str
    grid: tuple[int, ...]
    channels: tuple[tuple[int, ...], ...]
    sides: tuple[int, ...]
    centre: np.ndarray

    @classmethod
    def anatomy(cls, public: ImageSet, maximum_voxels: int = MAXIMUM_VOXELS) -> MaskSpace:
        """The space "anatomy": each cube's share of CSF, grey and white matter, less the public mean, at length 1.

        A tumour counts as white matter, so that the space neither sees nor helps to find it.

        Args:
            public: images with label maps that belong to no member and no holdout subject.
            maximum_voxels: cubes a tissue keeps at most.

        Raises:
            InputError: if there is no public image, or one has no label map.
        """
        if len(public) == 0:
            raise InputError("public images: found none for the space 'anatomy'; expected at least one")
        space = cls._uncentred("anatomy", public.images.shape[2:], TISSUE_CHANNELS, maximum_voxels)
        centre = np.zeros(space.centre.shape, np.float64)
        for picture in public:
            centre += space._shares(picture)
        return cls(space.name, space.grid, space.channels, space.sides, (centre / len(public)).astype(np.float32))

    @classmethod
    def tumour(cls, grid: tuple[int, ...], maximum_voxels: int = MAXIMUM_VOXELS) -> MaskSpace:
        """The space "tumour": where whole tumour, core and enhancing part lie, at length 1.

        With a, b the shares of the cubes of all three regions together, the distance is √(2 − 2 s) with
        s = Σ a b / √(Σ a² Σ b²): the soft Dice of Milletari et al. (2016, 2 Σ a b / (Σ a² + Σ b²)) with the geometric
        mean of the two sizes in place of their arithmetic mean (Ochiai's coefficient); for tumours of one size they
        are the same. An image without a tumour maps to zeros, which `spaces.nearest` takes as √2 from everything.

        Args:
            grid: of the label maps, two or three axes.
            maximum_voxels: cubes a region keeps at most.
        """
        return cls._uncentred("tumour", grid, TUMOUR_CHANNELS, maximum_voxels)

    @classmethod
    def _uncentred(cls, name: str, grid: tuple[int, ...], channels: tuple[tuple[int, ...], ...],
                   maximum_voxels: int) -> MaskSpace:
        sides = cube_sides(grid, maximum_voxels)
        features = len(channels) * int(np.prod(pooled_grid(grid, sides)))
        return cls(name, tuple(grid), channels, sides, np.zeros(features, np.float32))

    def map(self, pictures: Iterable[Picture]) -> np.ndarray:
        """Unit vectors, shape (n, features), float32; zeros where nothing is left to compare.

        Raises:
            InputError: if a picture has no label map, another grid, or label values that are not 0 … 6.
        """
        vectors = [self._vector(picture) for picture in pictures]
        return np.stack(vectors) if vectors else np.empty((0, len(self.centre)), np.float32)

    def _vector(self, picture: Picture) -> np.ndarray:
        centred = self._shares(picture) - self.centre
        length = np.linalg.norm(centred)
        return centred / length if length > 0 else centred

    def _shares(self, picture: Picture) -> np.ndarray:
        """Share of each cube that belongs to each channel, flattened, float32."""
        labels = checked_labels(picture.labels, f"the space '{self.name}'")
        if labels.shape != self.grid:
            raise InputError(f"label map: found shape {labels.shape}; expected {self.grid} as the space '{self.name}'")
        shares = [cube_means(np.isin(labels, values)[None], self.sides) for values in self.channels]
        return np.concatenate(shares).ravel()


def checked_labels(labels: np.ndarray | None, purpose: str) -> np.ndarray:
    """The label map(s), if they are there and hold the values 0 … 6.

    Args:
        labels: of one image or of many, any shape, or None.
        purpose: what needs them, for the message.

    Raises:
        InputError: if there are none or other values in them.
    """
    if labels is None:
        raise InputError(f"label maps: found none; {purpose} needs one for every image, give them or leave it out")
    if labels.size and (labels.min() < 0 or labels.max() >= _N_LABELS):
        raise InputError(f"label maps: found values {labels.min()} to {labels.max()}; {purpose} expects 0 "
                         f"(background) to 6 (enhancing tumour), translate them first")
    return labels
