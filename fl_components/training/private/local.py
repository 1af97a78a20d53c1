"""Private training at one site: a round of noised steps against what was reserved for it, and nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.study import Study
from fl_components.training.augment import augment
from fl_components.training.batch import Batch, collate
from fl_components.training.private.accounting import SampledGaussian
from fl_components.training.private.entropy import Entropy
from fl_components.training.private.plan import PrivatePlan
from fl_components.training.private.public import PublicSubjects
from fl_components.training.private.sampling import Draw, poisson_draw
from fl_components.training.private.step import PrivateGanStep
from fl_components.training.states import load_state, save_state
from privacy_eval.errors import InputError


class PrivateResult(NamedTuple):
    """`update`: new minus received weights; `adversarial`, `public`: mean losses on public images; `precision`."""

    update: Weights
    adversarial: float
    public: float
    precision: str


class PrivateTrainer:
    """Trains the site's discriminator by noised steps, and the received generator by that one alone.

    Args:
        study: recipe and sizes.
        plan: of the study.
        patients: trained on; each is one patient.
        public: the other side.
        states: folder of what is kept after each round.
        seed: of the discriminator's start and of all that is drawn for public images; never of draws or noise.
        entropy: of draws and noise.
    """

    def __init__(self, study: Study, plan: PrivatePlan, patients: Sequence[Subject], public: PublicSubjects,
                 states: Path, seed: int, entropy: Entropy) -> None:
        self.study, self.plan, self.patients, self.public = study, plan, patients, public
        self.states, self.seed, self.entropy = states, seed, entropy
        self.precision = choose_precision(study.training.precision)

    def kept(self, weights: Weights, round_number: int) -> PrivateResult | None:
        """The answer that this question had before: given again, it tells nothing new. None if it is a new one."""
        state = load_state(self.states, round_number + 1)
        if state is None or state.get("asked") != digest_of_question(weights, round_number):
            return None
        return PrivateResult({name: value.numpy() for name, value in state["update"].items()}, state["adversarial"],
                             state["public"], self.precision.name)

    def train(self, weights: Weights, round_number: int, reserved: SampledGaussian,
              on_step: Callable[[int], None] | None = None) -> PrivateResult:
        """Run one round.

        Args:
            weights: the global generator.
            round_number: counted from 0.
            reserved: what the site's account has set aside for it.
            on_step: called with the number of generator steps done.

        Raises:
            InputError: if what was reserved is not what a round costs, or the state to go on from is damaged.
        """
        if reserved != self.plan.training(self.plan.steps_per_round):
            raise InputError(f"private round: {reserved} was reserved, a round costs "
                             f"{self.plan.training(self.plan.steps_per_round)}")
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + round_number)
        generator = load_weights(build_generator(self.study), weights)
        step = PrivateGanStep(generator, build_discriminator(self.study, self.seed), self.plan, self.study.training,
                              self.study.privacy.trains, self.precision, self.entropy)
        if (earlier := load_state(self.states, round_number)) is not None:
            step.load_state(earlier)
        losses = np.mean([self._step(step, done, rng, on_step) for done in range(self.plan.generator_steps)], axis=0)
        if step.optimiser.counted() != reserved:
            raise InputError(f"private round: Opacus counted {step.optimiser.counted()}, {reserved} was reserved; "
                             "nothing of this round may leave")
        trained = weights_of(generator)
        result = PrivateResult({name: trained[name] - weights[name] for name in weights}, float(losses[0]),
                               float(losses[1]), self.precision.name)
        self._keep(result, step.state(), weights, round_number)
        return result

    def _step(self, step: PrivateGanStep, done: int, rng: torch.Generator,
              on_step: Callable[[int], None] | None) -> tuple[float, float]:
        settings = self.study.training
        public = 0.0
        for _ in range(self.plan.discriminator_steps):
            draw = poisson_draw(len(self.patients), self.plan.rate, self.entropy)
            conditions = self.public.draw(self.plan.expected_batch, settings.augmentation, rng)
            public += step.discriminate(self._scans(draw, rng), conditions, rng) / self.plan.discriminator_steps
        adversarial = step.generate(self.public.draw(settings.batch_size, settings.augmentation, rng), rng)
        if on_step is not None:
            on_step(done + 1)
        return adversarial, public

    def _scans(self, draw: Draw, rng: torch.Generator) -> Iterator[list[Batch]]:
        """Each drawn patient's scan, augmented by draws that are the same in number whoever was drawn before."""
        word = int(torch.randint(2**62, (1,), generator=rng))
        for index in draw.take():
            scan = collate([self.patients[index]])
            if self.study.training.augmentation is not None:
                own = torch.Generator().manual_seed((word + index) % 2**62)
                scan = augment(scan, self.study.training.augmentation, self.study.grid, own)
            yield [scan]

    def _keep(self, result: PrivateResult, networks: dict[str, Any], weights: Weights, round_number: int) -> None:
        update = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in result.update.items()}
        save_state(self.states, round_number + 1, {
            **networks, "asked": digest_of_question(weights, round_number), "update": update,
            "adversarial": result.adversarial, "public": result.public})


def digest_of_question(weights: Weights, round_number: int) -> str:
    """SHA-256 of a round's number and the generator it starts from."""
    state = hashlib.sha256(f"{round_number}".encode())
    for name in sorted(weights):
        state.update(name.encode() + b"\0" + np.ascontiguousarray(weights[name]).tobytes())
    return state.hexdigest()
