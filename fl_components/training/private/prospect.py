"""What private training can be expected to learn, before anything runs: signal against noise, on public subjects."""

from __future__ import annotations

import math
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import torch

from fl_components.contrast import Contrast, paint
from fl_components.networks.build import build_discriminator
from fl_components.networks.conditions import one_hot
from fl_components.networks.precision import choose_precision
from fl_components.study import Study
from fl_components.training.private.adapt import trained_of_discriminator
from fl_components.training.private.gradients import Row, patient_row
from fl_components.training.private.plan import PrivatePlan
from fl_components.training.private.public import relabelled_anatomy
from fl_components.training.private.summary import public_contrast
from fl_components.vocabulary import N_TISSUES

_SUBJECTS: Final = 4
_TEXTURE: Final = 0.05


class Group(NamedTuple):
    """`name`: of a layer; `parameters`: trained in it; `length`: of the mean clipped row in it, over the clip."""

    name: str
    parameters: int
    length: float

    def signal_to_noise(self, patients: int, plan: PrivatePlan) -> float:
        """Expected length of one step's sum over that of its noise."""
        noise = plan.training(1).noise * math.sqrt(self.parameters)
        return patients * plan.rate * self.length / noise


def gradient_groups(study: Study, plan: PrivatePlan) -> list[Group]:
    """Each layer of the starting discriminator, with the length that public subjects' rows have in it.

    Public images stand for the patients': painted anatomies with texture. Where patients' rows agree less than these
    do, there is less signal.
    """
    discriminator = build_discriminator(study, study.seed)
    precision = choose_precision("float32")
    precision.place(discriminator)
    trained = trained_of_discriminator(discriminator, study.privacy.trains)
    rows = [_clipped(patient_row(trained, [partial(_loss, study, discriminator, k)]), plan.clip)
            for k in range(_SUBJECTS)]
    mean = [torch.stack(parts).mean(dim=0) for parts in zip(*rows, strict=True)]
    names = {id(parameter): name for name, parameter in discriminator.named_parameters()}
    groups: dict[str, list[torch.Tensor]] = {}
    for parameter, part in zip(trained, mean, strict=True):
        groups.setdefault(names[id(parameter)].removeprefix("patches.").rsplit(".", 1)[0], []).append(part)
    return [Group(name, sum(part.numel() for part in parts),
                  float(torch.cat([part.flatten() for part in parts]).norm()) / plan.clip)
            for name, parts in groups.items()]


def together(groups: list[Group]) -> Group:
    """All groups as one."""
    return Group("all trained", sum(one.parameters for one in groups), math.hypot(*(one.length for one in groups)))


def _loss(study: Study, discriminator: torch.nn.Module, number: int) -> torch.Tensor:
    rng = np.random.default_rng((study.seed, 31, number))
    labels = relabelled_anatomy(study.grid, rng, study.synthesis.tumour_share)
    contrast = Contrast(public_contrast()[0].astype(np.float32), np.ones(N_TISSUES, bool))
    painted = paint(labels, contrast)
    images = np.clip(painted + _TEXTURE * rng.standard_normal(painted.shape), 0, 1) * (labels > 0)
    scores = discriminator(torch.from_numpy(images[None]).float(), one_hot(torch.from_numpy(labels)[None].long()),
                           torch.from_numpy(contrast.vector())[None])
    return 0.5 * (scores - 1).square().mean()


def _clipped(row: Row, clip: float) -> Row:
    length = math.hypot(*(float(part.norm()) for part in row))
    return tuple(part * min(1.0, clip / max(length, 1e-12)) for part in row)
