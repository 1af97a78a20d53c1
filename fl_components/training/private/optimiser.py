"""The noised step: Opacus' clipping, summing, noise and accounting, fed with one row a patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from opacus.accountants import RDPAccountant
from opacus.optimizers import DPOptimizer
from torch import nn

from fl_components.training.private.accounting import SampledGaussian
from fl_components.training.private.blocks import ROUNDING
from fl_components.training.private.entropy import Entropy, normal
from fl_components.training.private.gradients import Row
from fl_components.training.private.plan import PrivatePlan
from privacy_eval.errors import InputError

_GRID: Final = 2.0**-20
"""Noised sums are rounded to this share of the noise: far coarser than float64's own gaps."""


class OsNoiseOptimizer(DPOptimizer):
    """Opacus' DPOptimizer with its noise drawn from the operating system's entropy.

    Opacus draws from torch's default generator, which is not cryptographic and which `torch.manual_seed` makes
    repeatable: whoever knows the seed takes the noise off. Its `secure_mode` needs torchcsprng, which is no longer
    kept up.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, entropy: Entropy, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(optimizer, **settings)
        self.entropy = entropy

    def add_noise(self) -> None:
        """Put clipped sum and noise into each parameter's gradient."""
        std = self.noise_multiplier * self.max_grad_norm
        for parameter in self.params:
            total = parameter.summed_grad
            noise = torch.from_numpy(normal(self.entropy, total.numel())).view(total.shape) * std
            noised = total.detach().cpu().double() + noise
            grid = _GRID * std
            parameter.grad = (noised.div(grid).round() * grid).to(parameter.device, parameter.dtype)


class PrivateOptimiser:
    """Steps a network by noised sums of clipped rows, as a plan has it.

    Rows are added one by one, so that a step needs the memory of one, and every row of a step is clipped alike: those
    of the patients drawn, one each, and those of public images, which say nothing of a patient but keep the two sides
    of the loss in balance. A step without any row is noised and counted like the others.

    Args:
        parameters: that are trained.
        plan: clip, noise, divisor.
        rate: learning rate of Adam, which works on the noised sums alone.
        entropy: where the noise comes from.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], plan: PrivatePlan, rate: float, entropy: Entropy) -> None:
        noise = plan.training(1).noise
        self.parameters = list(parameters)
        self.adam = torch.optim.Adam(self.parameters, rate, betas=(0.5, 0.999))
        self.accountant = RDPAccountant()
        self._engine = OsNoiseOptimizer(
            self.adam, entropy, noise_multiplier=noise * (1 + ROUNDING), max_grad_norm=plan.clip,
            expected_batch_size=plan.expected_batch, loss_reduction="mean")
        self._engine.attach_step_hook(lambda _: self.accountant.step(noise_multiplier=noise, sample_rate=plan.rate))

    def add(self, row: Row) -> None:
        """Clip one row and add it to the step's sum.

        Raises:
            InputError: if it is not of one tensor a parameter, each of the parameter's shape.
        """
        if [part.shape for part in row] != [parameter.shape for parameter in self.parameters]:
            raise InputError("private step: a row without the parameters' shapes; expected one gradient a patient")
        self._give([part[None] for part in row], last=False)

    def step(self) -> None:
        """Add the noise, count the step, update the parameters."""
        self._give([parameter.new_zeros((0, *parameter.shape)) for parameter in self.parameters], last=True)

    def counted(self) -> SampledGaussian | None:
        """What Opacus counted of this optimiser's life; None before the first step."""
        if not self.accountant.history:
            return None
        (noise, rate, steps), = self.accountant.history
        return SampledGaussian(noise, rate, steps)

    def _give(self, rows: Sequence[torch.Tensor], last: bool) -> None:
        for parameter, row in zip(self.parameters, rows, strict=True):
            parameter.grad_sample = row  # type: ignore[attr-defined]
        self._engine.signal_skip_step(not last)
        self._engine.step()
        self._engine.zero_grad(set_to_none=True)
