"""A tiny network, plans and entropy that tests of the mechanism share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fl_components.training.private.accounting import epsilon_spent
from fl_components.training.private.optimiser import PrivateOptimiser
from fl_components.training.private.plan import PrivatePlan


class SeededEntropy:
    """Bytes that repeat: for tests alone."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def take(self, count: int) -> bytes:
        return self._rng.bytes(count)


class NoEntropy:
    """Bytes that make every normal draw 0 to within 1e-9: uniform angles of a quarter turn are not to be had, so the
    radius is made 0."""

    def take(self, count: int) -> bytes:
        return b"\xff" * count


def plan(noise: float = 1.0, clip: float = 1.0, steps: int = 10, rate: float = 0.1, batch: int = 4) -> PrivatePlan:
    claim = PrivatePlan(1e9, 1e-5, rate, clip, batch, 1, steps, 1, noise, 5.0, 0.1, 1)
    return PrivatePlan(epsilon_spent(claim.events, 1e-5), 1e-5, rate, clip, batch, 1, steps, 1, noise, 5.0, 0.1, 1)


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(shape)) for shape in shapes or ((3, 2), (4,))]


def noised_sum(optimiser: PrivateOptimiser, rows: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """What one step's sum is, flat, before Adam: gradients times the public divisor."""
    kept: list[torch.Tensor] = []
    optimiser._engine.attach_step_hook(lambda engine: kept.extend(p.grad.clone() for p in engine.params))
    for row in rows:
        optimiser.add(row)
    optimiser.step()
    return torch.cat([part.flatten() for part in kept]) * optimiser._engine.expected_batch_size
