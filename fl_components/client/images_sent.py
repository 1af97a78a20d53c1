"""Volumes with their anatomies, as the server sends them to the sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.study import Grid
from fl_components.vocabulary import SEQUENCES
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet, label_maps_of

RELEASE: Final = "release"
_LABELS: Final = ".labels"


def images_sent(name: str, images: ImageSet) -> dict[str, np.ndarray]:
    """The arrays of a task: intensities at half precision, and label maps."""
    return {name: images.images.astype(np.float16), name + _LABELS: label_maps_of(images).astype(np.uint8)}


def images_among(data: Mapping[str, np.ndarray], name: str) -> ImageSet:
    """What `images_sent` made, out of a task's arrays."""
    return ImageSet(data[name], data[name + _LABELS])


def images_of(subjects: Sequence[Subject]) -> ImageSet:
    """A site's own subjects in the same form."""
    return ImageSet(np.stack([subject.images for subject in subjects]), np.stack([s.labels for s in subjects]))


def require_on_grid(images: ImageSet, grid: Grid, whose: str) -> None:
    """Refuse volumes of another grid or other sequences than the study's.

    Raises:
        InputError: saying what was found, of `whose` volumes.
    """
    expected = (len(SEQUENCES), *grid.shape)
    if images.images.shape[1:] != expected:
        found = "×".join(map(str, images.images.shape[1:]))
        raise InputError(f"{whose}: volumes of {found} (sequences, then voxels), expected "
                         f"{'×'.join(map(str, expected))}; it is of another study: 'fedsynth synthesize' makes this "
                         "study's own")
