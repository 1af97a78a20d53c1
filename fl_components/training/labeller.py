"""Training of the labeller on random scans of simulated subjects; no scan of a person goes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import nn

from fl_components.networks.labeller import build_labeller, network_input
from fl_components.networks.precision import choose_precision
from fl_components.study import Grid
from fl_components.training import anatomy_pool
from fl_components.training.random_scan import ScanRecipe, random_scans

POOL_GRID: Final = Grid(shape=(72, 88, 72), spacing_mm=2.5)
"""Of the sampled anatomies that scans are drawn from."""

_POOL, _SCANS = 11, 12
"""First words of the seeds of anatomies and of everything drawn in training."""


@dataclass(frozen=True)
class LabellerRecipe:
    """How the labeller is trained.

    Attributes:
        subjects: anatomies in the pool.
        tumour_share: of them with a tumour.
        batch: scans a step.
        rate: highest learning rate; it warms up and falls to 0 along a cosine.
        scan: the ranges that scans are drawn from.
    """

    subjects: int = 160
    tumour_share: float = 0.75
    batch: int = 2
    rate: float = 4e-3
    scan: ScanRecipe = field(default_factory=ScanRecipe)


def sample_anatomies(recipe: LabellerRecipe, seed: int, pool: Executor | None = None,
                     on_done: Callable[[int], None] | None = None) -> np.ndarray:
    """The simulated subjects' anatomies, (subjects, *POOL_GRID.shape) uint8; about .4 s each on one core.

    Args:
        recipe: how many, and the share with a tumour.
        seed: anatomy k depends on it and k alone.
        pool: samples them at the same time; here one after the other if None.
        on_done: called with how many are done.
    """
    return anatomy_pool.sample_pool(POOL_GRID, recipe.subjects, recipe.tumour_share, (seed, _POOL), pool, on_done)


def train_labeller(anatomies: np.ndarray, recipe: LabellerRecipe, seed: int, steps: int,
                   on_step: Callable[[int, float], None] | None = None) -> nn.Module:
    """Train a new network, on the sum of Dice loss and cross entropy.

    The same arguments give the same weights on the same machine with as many threads.

    Args:
        anatomies: (n, *POOL_GRID.shape) uint8, n at least `recipe.batch`.
        recipe: how.
        seed: of the initial weights and of every draw.
        steps: how many.
        on_step: called after each with how many are done and its loss.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    precision = choose_precision("auto")
    network = precision.place(build_labeller(seed)).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=max(steps, 2), pct_start=0.1)
    # Over the batch: a scan without a tumour would else have a loss that nothing can lower.
    loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    rng = torch.Generator().manual_seed(int(np.random.default_rng([seed, _SCANS]).integers(2**62)))
    batches = _batches(torch.from_numpy(anatomies), recipe.batch, rng)
    for done in range(1, steps + 1):
        scans = random_scans(next(batches), POOL_GRID, recipe.scan, rng)
        with precision.autocast():
            scores = network(precision.lay_out(network_input(scans.images, scans.available)))
        loss = loss_of(scores.float(), scans.labels[:, None].to(precision.device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if on_step is not None:
            on_step(done, float(loss.detach()))
    return network.cpu().eval()


def _batches(anatomies: torch.Tensor, size: int, rng: torch.Generator) -> Iterator[torch.Tensor]:
    """Endless batches of different subjects."""
    while True:
        for chosen in torch.randperm(len(anatomies), generator=rng).split(size):
            if len(chosen) == size:
                yield anatomies[chosen]
