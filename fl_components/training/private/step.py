"""One private step: the discriminator by a noised sum over patients drawn, the generator by what that one says.

Only the discriminator is trained on patients. The generator sees public anatomies, public or accounted contrasts and
the discriminator: it is post-processing. There is no L1 against a patient's scan, which would be a second sum over
patients. What a noised discriminator says is mostly noise; so the generator is held by what it was publicly trained
for, public scans of the same conditions, which costs no ε.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch

from fl_components.networks.conditions import one_hot
from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator, Noise, draw_noise
from fl_components.networks.precision import Precision
from fl_components.privacy import Trained
from fl_components.study import TrainingSettings
from fl_components.training.batch import Batch
from fl_components.training.gan_step import fidelity
from fl_components.training.private.adapt import trained_of_discriminator, trained_of_generator
from fl_components.training.private.entropy import Entropy
from fl_components.training.private.gradients import patient_row, require_private
from fl_components.training.private.optimiser import PrivateOptimiser
from fl_components.training.private.plan import PrivatePlan
from fl_components.training.public_scan import Conditions, public_scans


class PrivateGanStep:
    """Generator, discriminator and their optimisers.

    Args:
        generator: updated in place.
        discriminator: updated in place by noised sums alone.
        plan: of the study.
        settings: learning rates and weights of the losses.
        trains: which parameters are trained.
        precision: where and in which format steps run.
        entropy: where the noise comes from.

    Raises:
        InputError: if the discriminator keeps anything of patients beside its parameters.
    """

    def __init__(self, generator: Generator, discriminator: Discriminator, plan: PrivatePlan,
                 settings: TrainingSettings, trains: Trained, precision: Precision, entropy: Entropy) -> None:
        require_private(discriminator)
        self.generator, self.discriminator, self.precision = generator, discriminator, precision
        self.settings = settings
        precision.place(generator)
        precision.place(discriminator)
        self.trained = trained_of_discriminator(discriminator, trains)
        self.optimiser = PrivateOptimiser(self.trained, plan, settings.discriminator_rate, entropy)
        self._followers = trained_of_generator(generator, trains)
        self.generator_optimiser = torch.optim.Adam(self._followers, settings.generator_rate, betas=(0.5, 0.999))

    def discriminate(self, patients: Iterable[Sequence[Batch]], public: Conditions, rng: torch.Generator) -> float:
        """One noised sum.

        Args:
            patients: of each patient drawn, the scans, each a batch of one; read one patient at a time.
            public: conditions of the step's public images, as many as the plan has.
            rng: of the public images' noise.

        Returns:
            The loss on the public images, which says of patients only what the discriminator's earlier steps do.
        """
        for scans in patients:
            self.optimiser.add(patient_row(self.trained, [partial(self.on_real, scan) for scan in scans]))
        total = 0.0
        for index in range(len(public.labels)):
            made = self._make(_one(public, index), rng)
            losses: list[float] = []
            self.optimiser.add(patient_row(self.trained, [partial(self._on_public, made, losses)]))
            total += losses[0]
        self.optimiser.step()
        return total / max(1, len(public.labels))

    def generate(self, public: Conditions, rng: torch.Generator) -> float:
        """One step of the generator against the discriminator, beside public scans; its least-squares loss."""
        anatomy, contrast, noise = self._placed(public, rng)
        scans = self.precision.lay_out(public_scans(public, rng).images)
        with self.precision.autocast():
            parts = self.generator.parts(anatomy, contrast, noise)
            scores = self.discriminator(parts.images, anatomy, contrast)
        loss = (scores.float() - 1).square().mean()
        held, _ = fidelity(parts, scans, anatomy, self.settings)
        gradients = torch.autograd.grad(loss + held, self._followers)
        for parameter, gradient in zip(self._followers, gradients, strict=True):
            parameter.grad = gradient
        self.generator_optimiser.step()
        return float(loss.detach())

    def on_real(self, scan: Batch) -> torch.Tensor:
        """The loss on one scan of a patient."""
        anatomy = self.precision.lay_out(one_hot(scan.labels))
        with self.precision.autocast():
            scores = self.discriminator(self.precision.lay_out(scan.images), anatomy,
                                        scan.contrast.to(self.precision.device))
        return 0.5 * (scores.float() - 1).square().mean()

    def _on_public(self, made: tuple[torch.Tensor, torch.Tensor, torch.Tensor], losses: list[float]) -> torch.Tensor:
        with self.precision.autocast():
            scores = self.discriminator(*made)
        loss = 0.5 * scores.float().square().mean()
        losses.append(float(loss.detach()))
        return loss

    @torch.no_grad()
    def _make(self, public: Conditions, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        anatomy, contrast, noise = self._placed(public, rng)
        with self.precision.autocast():
            return self.generator(anatomy, contrast, noise), anatomy, contrast

    def _placed(self, public: Conditions, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, Noise]:
        shape = (public.labels.shape[1], public.labels.shape[2], public.labels.shape[3])
        noise = draw_noise(len(public.labels), self.generator.latent_size, shape, rng)
        placed = Noise(noise.style.to(self.precision.device), self.precision.lay_out(noise.texture))
        return self.precision.lay_out(one_hot(public.labels)), public.contrast.to(self.precision.device), placed

    def state(self) -> dict[str, Any]:
        """What a site keeps between rounds; none of it leaves."""
        return {"discriminator": self.discriminator.state_dict(),
                "generator_optimiser": self.generator_optimiser.state_dict(),
                "discriminator_optimiser": self.optimiser.adam.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.optimiser.adam.load_state_dict(state["discriminator_optimiser"])


def _one(public: Conditions, index: int) -> Conditions:
    return Conditions(public.labels[index:index + 1], public.contrast[index:index + 1])
