"""A batch of subjects as tensors, and the drawing of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from fl_components.cohort.subject import Subject


class Batch(NamedTuple):
    """`images`: (B, 4, X, Y, Z) in [0, 1]; `labels`: (B, X, Y, Z) int64; `contrast`: (B, 30)."""

    images: torch.Tensor
    labels: torch.Tensor
    contrast: torch.Tensor


def collate(subjects: Sequence[Subject]) -> Batch:
    """Subjects as one batch."""
    return Batch(
        torch.from_numpy(np.stack([s.images for s in subjects])),
        torch.from_numpy(np.stack([s.labels for s in subjects])).long(),
        torch.from_numpy(np.stack([s.contrast.vector() for s in subjects])))


def shuffled_batches(subjects: Sequence[Subject], size: int, rng: torch.Generator) -> Iterator[Batch]:
    """Endless batches: every subject once, in a new order, before any comes again."""
    queue: list[int] = []
    while True:
        while len(queue) < size:
            queue += torch.randperm(len(subjects), generator=rng).tolist()
        yield collate([subjects[i] for i in queue[:size]])
        queue = queue[size:]
