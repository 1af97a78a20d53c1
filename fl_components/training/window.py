"""The part of the grid that a training step is on: a patch, or all of it."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch

from fl_components.networks.conditions import ORIGIN, Shape
from fl_components.study import Grid
from fl_components.training.batch import Batch


class Window(NamedTuple):
    """`shape` voxels from voxel `origin` of the grid."""

    origin: Shape
    shape: Shape

    @classmethod
    def whole(cls, grid: Grid) -> Self:
        """All of the grid."""
        return cls(ORIGIN, grid.shape)

    @classmethod
    def draw(cls, grid: Grid, patch: Shape | None, rng: torch.Generator) -> Self:
        """A patch anywhere on the grid, every place as likely; all of it, and nothing drawn, if there is none."""
        if patch is None:
            return cls.whole(grid)
        x, y, z = (int(torch.randint(whole - size + 1, (1,), generator=rng))
                   for whole, size in zip(grid.shape, patch, strict=True))
        return cls((x, y, z), patch)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Along the three axes."""
        x, y, z = (slice(first, first + size) for first, size in zip(self.origin, self.shape, strict=True))
        return x, y, z

    def cut(self, batch: Batch) -> Batch:
        """This part of a batch on the whole grid."""
        x, y, z = self.slices
        return Batch(batch.images[:, :, x, y, z], batch.labels[:, x, y, z], batch.contrast)
