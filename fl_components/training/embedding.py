"""Training of the embedding: two scans of one simulated subject are alike, scans of other subjects are not.

No scan goes in. Subjects are anatomies of the public sampler, painted with random contrasts. Within a step all subjects
share one contrast, jittered anew for each view: nothing but the anatomy can tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn import functional as F

from fl_components.networks.conditions import one_hot, paint
from fl_components.networks.embedding import GRID, EmbeddingNetwork, build_embedding
from fl_components.networks.precision import Precision, choose_precision
from fl_components.study import Augmentation
from fl_components.training import anatomy_pool
from fl_components.training.augment import augment
from fl_components.training.batch import Batch
from fl_components.vocabulary import N_TISSUES, SEQUENCES

_POOL, _VIEWS = 1, 2
"""First words of the seeds of anatomies and of everything drawn in training."""

_CHUNK: Final = 4
"""Subjects whose views are made together: so many fit the processor's cache, which halves the time."""

WARP: Final = Augmentation(flip=True, rotation_degrees=8.0, scale=0.04, elastic_mm=2.0, contrast_jitter=0.08)
"""What two views of one person may differ in, as shapes: pose, a mirror, registration. Generators are trained with
flips, so a copy may come mirrored."""


@dataclass(frozen=True)
class Recipe:
    """How the embedding is trained.

    Attributes:
        subjects: anatomies in the pool.
        tumour_share: of them with a tumour.
        batch: subjects a step, two views each.
        temperature: of the loss.
        rate: highest learning rate; it warms up and falls to 0 along a cosine.
        blur_voxels: greatest standard deviation of a view's blur: generators blur.
        noise: greatest standard deviation of a view's noise, white and smooth alike, in shares of the intensity range.
        bias: standard deviation of the logarithm of a view's coil bias.
    """

    subjects: int = 512
    tumour_share: float = 0.8
    batch: int = 32
    temperature: float = 0.1
    rate: float = 2e-3
    blur_voxels: float = 1.5
    noise: float = 0.12
    bias: float = 0.15


def sample_pool(recipe: Recipe, seed: int, pool: Executor | None = None,
                on_done: Callable[[int], None] | None = None) -> np.ndarray:
    """The simulated subjects' anatomies, (subjects, *GRID.shape) uint8; about .07 s each on one core.

    Args:
        recipe: how many, and the share with a tumour.
        seed: anatomy k depends on it and k alone.
        pool: samples them at the same time; here one after the other if None.
        on_done: called with how many are done.
    """
    return anatomy_pool.sample_pool(GRID, recipe.subjects, recipe.tumour_share, (seed, _POOL), pool, on_done)


def train_embedding(anatomies: np.ndarray, recipe: Recipe, seed: int, steps: int,
                    on_step: Callable[[int, float], None] | None = None) -> EmbeddingNetwork:
    """Train a new network.

    The same arguments give the same weights on the same machine with as many threads.

    Args:
        anatomies: (n, *GRID.shape) uint8, n at least `recipe.batch`.
        recipe: how.
        seed: of the initial weights and of every draw.
        steps: how many.
        on_step: called after each with how many are done and its loss.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    precision = choose_precision("auto")
    network = precision.place(build_embedding(seed)).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=max(steps, 2), pct_start=0.1)
    rng = torch.Generator().manual_seed(int(np.random.default_rng([seed, _VIEWS]).integers(2**62)))
    batches = _batches(torch.from_numpy(anatomies), recipe.batch, rng)
    for done in range(1, steps + 1):
        loss = _step(network, optimiser, next(batches), recipe, precision, rng)
        schedule.step()
        if on_step is not None:
            on_step(done, loss)
    return network.cpu().eval()


def _step(network: EmbeddingNetwork, optimiser: torch.optim.Optimizer, labels: torch.Tensor, recipe: Recipe,
          precision: Precision, rng: torch.Generator) -> float:
    contrast = torch.rand(N_TISSUES * len(SEQUENCES), generator=rng) * 0.9 + 0.1
    views = [make_views(part, contrast, recipe, rng) for part in labels.repeat(2, 1, 1, 1).split(_CHUNK)]
    with precision.autocast():
        vectors = network(precision.lay_out(torch.cat(views)))
    first, second = vectors.float().chunk(2)
    loss = contrastive_loss(first, second, recipe.temperature)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _batches(anatomies: torch.Tensor, size: int, rng: torch.Generator) -> Iterator[torch.Tensor]:
    """Endless batches of different subjects."""
    while True:
        for chosen in torch.randperm(len(anatomies), generator=rng).split(size):
            if len(chosen) == size:
                yield anatomies[chosen].long()


def make_views(labels: torch.Tensor, contrast: torch.Tensor, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
    """One scan of each subject: warped, with a jittered contrast, coil bias, blur and noise of its own.

    Args:
        labels: (B, X, Y, Z) int64 anatomies.
        contrast: (24,) means of the tissues in each sequence, shared by all.
        recipe: strengths.
        rng: source of every draw.

    Returns:
        (B, 4, X, Y, Z) float32, 0 outside the warped brain.
    """
    vectors = torch.cat([contrast, torch.ones(N_TISSUES)]).expand(len(labels), -1)
    painted = paint(one_hot(labels), vectors)
    batch = augment(Batch(painted, labels, vectors), WARP, GRID, rng)
    images = batch.images * torch.exp(recipe.bias * smooth_noise(batch.images, 10, rng))
    images = blur(images, recipe.blur_voxels * torch.rand(len(images), generator=rng))
    strength = recipe.noise * torch.rand(2, len(images), 1, 1, 1, 1, generator=rng)
    images = images + strength[0] * torch.randn(images.shape, generator=rng)
    images = images + strength[1] * smooth_noise(images, 3, rng)
    return images * (batch.labels > 0)[:, None]


def smooth_noise(like: torch.Tensor, voxels: int, rng: torch.Generator) -> torch.Tensor:
    """Noise of a tensor's shape (B, C, X, Y, Z), drawn at points some voxels apart and interpolated."""
    coarse = [-(-length // voxels) + 1 for length in like.shape[2:]]
    points = torch.randn(*like.shape[:2], *coarse, generator=rng)
    return F.interpolate(points, size=like.shape[2:], mode="trilinear", align_corners=True)


def blur(images: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
    """Blur each volume of (B, C, X, Y, Z) by a Gaussian of its own standard deviation, (B,) voxels; 0 leaves it."""
    for axis in (2, 3, 4):
        index = torch.arange(images.shape[axis])
        distance = (index[:, None] - index).square()
        weights = torch.exp(-distance / (2 * voxels.clamp_min(1e-3).square()[:, None, None]))
        weights = weights / weights.sum(dim=2, keepdim=True)
        moved = images.movedim(axis, -1)
        images = torch.einsum("bcijk,blk->bcijl", moved, weights).movedim(-1, axis)
    return images


def contrastive_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """NT-Xent: each view must find its partner among all other views (Chen et al. 2020, arXiv 2002.05709, equation 1).

    Args:
        first: (B, d) unit vectors, one view of each subject.
        second: (B, d) the other view.
        temperature: the smaller, the more the nearest wrong one counts.
    """
    views = torch.cat([first, second])
    similarity = views @ views.T / temperature
    similarity = similarity.masked_fill(torch.eye(len(views), dtype=torch.bool, device=views.device), -torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(similarity, partner)
