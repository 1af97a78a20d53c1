"""A set of images as the audit takes them: one row an image, one or more rows a patient, label maps where known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from privacy_eval.errors import InputError


class Picture(NamedTuple):
    """One image: `images` (C, *grid) float32, and its label map (*grid) or None."""

    images: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True)
class ImageSet:
    """Images of one group: members, holdout, a release, a public reference.

    Attributes:
        images: (n, C, *grid), float32 or float16; the grid has two or three axes.
        labels: label maps (n, *grid) with the values of `spaces.masks`, or None where there are none.
        patients: each row's patient, (n,) integers from 0; by default every row is a patient of its own. The unit
            of every statistic is the patient, never the row.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    patients: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.ndim not in (4, 5):
            raise InputError(f"images: found shape {self.images.shape}; expected (n, sequences, X, Y) or (…, X, Y, Z)")
        expected = (len(self.images), *self.images.shape[2:])
        if self.labels is not None and self.labels.shape != expected:
            raise InputError(f"label maps: found shape {self.labels.shape}; expected {expected} as the images'")
        if self.patients is not None and self.patients.shape != (len(self.images),):
            raise InputError(f"patients: found shape {self.patients.shape}; expected one of {len(self)} a row")

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Picture]:
        for row in range(len(self)):
            yield Picture(self.images[row], None if self.labels is None else self.labels[row])

    @property
    def owners(self) -> np.ndarray:
        """Each row's patient, (n,)."""
        return np.arange(len(self)) if self.patients is None else self.patients

    @property
    def n_patients(self) -> int:
        """How many patients the rows belong to."""
        return len(np.unique(self.owners))

    def subset(self, rows: np.ndarray | Sequence[int]) -> Self:
        """The given rows."""
        pick = np.asarray(rows, int)
        return type(self)(self.images[pick], None if self.labels is None else self.labels[pick],
                          None if self.patients is None else self.patients[pick])


def label_maps_of(group: ImageSet) -> np.ndarray:
    """The label maps of a group that must have them (ValueError)."""
    if group.labels is None:
        raise ValueError("Expected label maps, found images without.")
    return group.labels


def score_of_patients(scores: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """One score a patient: the highest of the patient's rows, in the order of the patients' numbers, (n_patients,).

    Rows of one patient are correlated; taken as independent they raise false alarms (19 % at a nominal 5 % with four
    images a patient correlated by .9).
    """
    patients, index = np.unique(owners, return_inverse=True)
    highest = np.full(len(patients), -np.inf)
    np.maximum.at(highest, index, scores)
    return highest
