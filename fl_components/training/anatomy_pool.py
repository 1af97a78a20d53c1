"""Anatomies of simulated subjects that public networks are trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

import numpy as np

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.study import Grid


def sample_pool(grid: Grid, count: int, tumour_share: float, words: tuple[int, ...], pool: Executor | None = None,
                on_done: Callable[[int], None] | None = None) -> np.ndarray:
    """Anatomies, (count, *grid.shape) uint8.

    Args:
        grid: to sample them on.
        count: how many.
        tumour_share: of them with a tumour.
        words: of the seed; anatomy k depends on them and k alone.
        pool: samples them at the same time; here one after the other if None.
        on_done: called with how many are done.
    """
    work = partial(_sample, grid=grid, tumour_share=tumour_share)
    seeds = [(*words, k) for k in range(count)]
    anatomies = np.empty((count, *grid.shape), np.uint8)
    for k, labels in enumerate(pool.map(work, seeds, chunksize=4) if pool else map(work, seeds)):
        anatomies[k] = labels
        if on_done is not None:
            on_done(k + 1)
    return anatomies


def _sample(words: tuple[int, ...], grid: Grid, tumour_share: float) -> np.ndarray:
    rng = np.random.default_rng(words)
    return AnatomySampler(grid).sample(rng, tumour=bool(rng.random() < tumour_share)).labels
