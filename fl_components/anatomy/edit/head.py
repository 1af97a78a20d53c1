"""A head under edit: the healthy brain, and the foci that grew in it and pushed it aside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fl_components.anatomy.brain import Brain
from fl_components.anatomy.compartments import rooms
from fl_components.anatomy.edit.lesion import Lesion
from fl_components.anatomy.tumour import push_displacement, push_velocity
from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, CSF


@dataclass(frozen=True)
class Head:
    """One state of an anatomy; edits make new ones of it.

    Attributes:
        grid: its voxels.
        brain: healthy, as `reference` had pushed it.
        reference: velocity of the push that `brain` shows already; zeros where it is known from before any tumour.
        lesions: the foci, in the order in which they came.
    """

    grid: Grid
    brain: Brain
    reference: np.ndarray
    lesions: tuple[Lesion, ...] = ()

    @cached_property
    def push(self) -> np.ndarray:
        """Velocity of all foci's pushes together."""
        return sum((lesion.push for lesion in self.lesions), np.zeros_like(self.reference))

    @cached_property
    def pushed(self) -> Brain:
        """The healthy brain as the foci push it."""
        spacing = self.grid.spacing_mm
        displacement = push_displacement(self.push - self.reference, self.grid.shape, spacing)
        return self.brain.displaced(displacement, spacing)

    @cached_property
    def tissue(self) -> np.ndarray:
        """(X, Y, Z) bool: solid tissue, neither fluid nor outside."""
        labels = self.pushed.labels()
        return (labels != BACKGROUND) & (labels != CSF)

    @cached_property
    def stamps(self) -> tuple[np.ndarray, ...]:
        """Each focus' labels, (X, Y, Z) uint8; where two want one voxel, the earlier has it."""
        taken = np.zeros(self.grid.shape, bool)
        found = []
        for lesion in self.lesions:
            stamp = np.where(taken, 0, lesion.stamp(self.push, self.tissue & ~taken, self.grid.spacing_mm))
            taken |= stamp > 0
            found.append(stamp.astype(np.uint8))
        return tuple(found)

    @cached_property
    def labels(self) -> np.ndarray:
        """(X, Y, Z) uint8 anatomy."""
        labels = self.pushed.labels()
        for stamp in self.stamps:
            labels = np.where(stamp > 0, stamp, labels)
        return labels

    @cached_property
    def rooms(self) -> np.ndarray:
        """(X, Y, Z) int8: the rooms of the skull, carried along by the push."""
        return rooms(self.pushed.template_mm)

    @property
    def tumour(self) -> np.ndarray:
        """(X, Y, Z) bool: whole tumour."""
        return np.any([stamp > 0 for stamp in self.stamps], axis=0) if self.stamps else np.zeros(self.grid.shape, bool)

    @property
    def volume_ml(self) -> float:
        """Of the whole tumour."""
        return float(self.tumour.sum()) * self.voxel_ml

    @property
    def voxel_ml(self) -> float:
        """Of one voxel."""
        return self.grid.spacing_mm**3 / 1000

    def with_lesions(self, lesions: tuple[Lesion, ...]) -> Head:
        """The same brain with other foci."""
        return replace(self, lesions=lesions)

    def push_of(self, core: np.ndarray, push_share: float) -> np.ndarray:
        """Velocity of the push of a core (X, Y, Z) bool in the present brain."""
        radius_mm = float(np.cbrt(core.sum() * self.voxel_ml * 1000 * 3 / (4 * np.pi)))
        return push_velocity(core, self.pushed.inside, push_share * radius_mm, self.grid.spacing_mm)
