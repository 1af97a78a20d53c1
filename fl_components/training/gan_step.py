"""One step of the conditional GAN: least squares adversarial loss and L1 (pix2pix, arXiv 1611.07004).

L1 is taken on what the generator expects: sampled noise cannot match a scan's voxel by voxel, and an L1 on it would
only make it vanish. How much of it there is, the discriminator teaches and the scan's second moments
(`fl_components.training.moments`), which a discriminator of few steps does not find.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from monai.losses import PatchAdversarialLoss

from fl_components.networks.conditions import ORIGIN, Shape, one_hot
from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator, Noise, Parts, draw_noise
from fl_components.networks.precision import Precision
from fl_components.study import TrainingSettings
from fl_components.training.batch import Batch
from fl_components.training.moments import grain_error, mean_error, spread_error


class Losses(NamedTuple):
    """Scalars of one step; `l1` is the mean absolute error of the expected images in the brain."""

    l1: float
    adversarial: float
    discriminator: float


class GanStep:
    """Generator, discriminator and their optimisers, stepped together.

    Args:
        generator: updated in place.
        discriminator: updated in place; it has seen real scans and never leaves its site.
        settings: learning rates and weights of the losses.
        precision: where and in which format the step runs.
    """

    def __init__(self, generator: Generator, discriminator: Discriminator, settings: TrainingSettings,
                 precision: Precision) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.settings, self.precision = settings, precision
        precision.place(generator)
        precision.place(discriminator)
        betas = (0.5, 0.999)  # pix2pix
        self.generator_optimiser = torch.optim.Adam(generator.parameters(), settings.generator_rate, betas)
        self.discriminator_optimiser = torch.optim.Adam(discriminator.parameters(), settings.discriminator_rate, betas)
        self.adversarial = PatchAdversarialLoss(criterion="least_squares")

    def __call__(self, batch: Batch, rng: torch.Generator, origin: Shape = ORIGIN) -> Losses:
        """One update of the discriminator, then one of the generator, on subjects or patches that begin at `origin`."""
        anatomy = self.precision.lay_out(one_hot(batch.labels))
        real = self.precision.lay_out(batch.images)
        contrast = batch.contrast.to(self.precision.device)
        noise = self._noise(batch, rng)
        with self.precision.autocast():
            parts = self.generator.parts(anatomy, contrast, noise, origin)
        discriminator_loss = self._step_discriminator(real, parts.images.detach(), anatomy, contrast, origin)
        self.discriminator.requires_grad_(False)
        with self.precision.autocast():
            scores = self.discriminator(parts.images, anatomy, contrast, origin)
        adversarial = self.adversarial(scores.float(), target_is_real=True, for_discriminator=False)
        missed, l1 = fidelity(parts, real, anatomy, self.settings)
        self.generator_optimiser.zero_grad(set_to_none=True)
        (adversarial + missed).backward()
        self.generator_optimiser.step()
        self.discriminator.requires_grad_(True)
        return Losses(l1.item(), adversarial.item(), discriminator_loss)

    def _step_discriminator(self, real: torch.Tensor, fake: torch.Tensor, anatomy: torch.Tensor,
                            contrast: torch.Tensor, origin: Shape) -> float:
        with self.precision.autocast():
            on_real = self.discriminator(real, anatomy, contrast, origin)
            on_fake = self.discriminator(fake, anatomy, contrast, origin)
        loss = 0.5 * (self.adversarial(on_real.float(), target_is_real=True, for_discriminator=True)
                      + self.adversarial(on_fake.float(), target_is_real=False, for_discriminator=True))
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimiser.step()
        return float(loss.item())

    def _noise(self, batch: Batch, rng: torch.Generator) -> Noise:
        shape = (batch.labels.shape[1], batch.labels.shape[2], batch.labels.shape[3])
        noise = draw_noise(len(batch.labels), self.generator.latent_size, shape, rng)
        return Noise(noise.style.to(self.precision.device), self.precision.lay_out(noise.texture))

    def state(self) -> dict[str, Any]:
        """What a site keeps between tasks: the discriminator and both optimisers. None of it leaves."""
        return {"discriminator": self.discriminator.state_dict(),
                "generator_optimiser": self.generator_optimiser.state_dict(),
                "discriminator_optimiser": self.discriminator_optimiser.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])


def fidelity(parts: Parts, scans: torch.Tensor, anatomy: torch.Tensor,
             settings: TrainingSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """What generated images are missing of scans of the same anatomy, all weighed and added; and the L1 in it."""
    l1 = brain_l1(parts.expected, scans, anatomy)
    spread = spread_error(parts.images, scans, anatomy) + grain_error(parts.images, scans, anatomy)
    missed = settings.l1_weight * l1 + settings.mean_weight * mean_error(parts.expected, scans, anatomy)
    return missed + settings.spread_weight * spread, l1


def brain_l1(images: torch.Tensor, target: torch.Tensor, anatomy: torch.Tensor) -> torch.Tensor:
    """Mean absolute error over brain voxels and sequences; `anatomy` is one-hot, channel 0 the background."""
    brain = 1 - anatomy[:, :1]
    return ((images.float() - target).abs() * brain).sum() / (brain.sum() * images.shape[1]).clamp(min=1)
