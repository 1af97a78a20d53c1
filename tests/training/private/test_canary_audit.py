"""The mechanism attacked as T10 does: canaries by fair coins, scored by what is let out; planted bugs are caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mechanism_case import parameters
from test_mechanism import CPU, one_of, patients_batch

from fl_components.networks.discriminator import Discriminator
from fl_components.networks.generator import Generator
from fl_components.study import TrainingSettings
from fl_components.training.private.accounting import SampledGaussian, epsilon_spent, noise_for
from fl_components.training.private.entropy import OsEntropy
from fl_components.training.private.gradients import patient_row
from fl_components.training.private.optimiser import PrivateOptimiser
from fl_components.training.private.plan import PrivatePlan
from fl_components.training.private.sampling import Draw, poisson_draw
from fl_components.training.private.step import PrivateGanStep
from fl_components.training.public_scan import Conditions
from privacy_eval.statistics.epsilon import EpsilonBounds, epsilon_lower_bounds

DELTA = 1e-5
CANARIES = 400
TRAININGS = 400
STEPS = 4

Bug = Callable[[PrivateOptimiser], None]


def claim_of(epsilon: float, rate: float, steps: int = STEPS) -> tuple[PrivatePlan, float]:
    """A plan whose training alone costs `epsilon`, and that ε."""
    noise = noise_for(epsilon, DELTA, rate, steps)
    made = PrivatePlan(50.0, DELTA, rate, 1.0, 4, 1, steps, 1, noise, 5.0, 0.1, 1)
    return made, epsilon_spent([SampledGaussian(noise, rate, steps)], DELTA)


def quartered_noise(optimiser: PrivateOptimiser) -> None:
    optimiser._engine.noise_multiplier /= 4


def no_clipping(optimiser: PrivateOptimiser) -> None:
    engine = optimiser._engine
    engine.noise_multiplier, engine.max_grad_norm = engine.noise_multiplier * engine.max_grad_norm / 1e9, 1e9


def nothing(optimiser: PrivateOptimiser) -> None:
    """No bug."""


def in_order(patients: int, step: int) -> Draw:
    """A planted bug: everybody comes into every step."""
    return Draw(tuple(range(patients)))


def audit(claimed: PrivatePlan, bug: Bug = nothing, deterministic: bool = False, seed: int = 0) -> EpsilonBounds:
    """One run on a parameter of 400 coordinates: canary k pulls at the k-th, 30 times as far as the clip."""
    coins = np.random.default_rng(seed).random(CANARIES) < 0.5
    inside = np.flatnonzero(coins)
    trained = parameters((CANARIES,))
    optimiser = PrivateOptimiser(trained, claimed, 1e-3, OsEntropy())
    bug(optimiser)
    sums: list[torch.Tensor] = []
    optimiser._engine.attach_step_hook(lambda engine: sums.append(engine.params[0].grad.clone()))
    for step in range(STEPS):
        draw = (in_order(len(inside), step) if deterministic else
                poisson_draw(len(inside), claimed.rate, OsEntropy()))
        for index in draw.take():
            row = torch.zeros(CANARIES)
            row[inside[index]] = 30.0
            optimiser.add((row,))
        optimiser.step()
    scores = torch.stack(sums).sum(dim=0).numpy().astype(float)
    return epsilon_lower_bounds(scores[coins], scores[~coins], DELTA)


def bounds_of(found: EpsilonBounds) -> list[float]:
    return [found.clopper_pearson, found.one_run, found.fdp_one_run, found.gdp]


@pytest.mark.parametrize(("epsilon", "rate"), [(1.0, 0.5), (4.0, 0.5), (8.0, 1.0)])
def test_no_bound_is_above_the_claim(epsilon: float, rate: float) -> None:
    """Each bound may be wrong in one of twenty runs: of four, none of the four in more than one."""
    claimed, stated = claim_of(epsilon, rate)
    over = np.array([[bound > stated for bound in bounds_of(audit(claimed, seed=seed))] for seed in range(4)])
    assert over.sum(axis=0).max() <= 1


@pytest.mark.parametrize("epsilon", [1.0, 4.0, 8.0])
@pytest.mark.parametrize("bug", [quartered_noise, no_clipping])
def test_a_planted_bug_is_caught(epsilon: float, bug: Bug) -> None:
    claimed, stated = claim_of(epsilon, 1.0)
    assert all(audit(claimed, bug, seed=seed).gdp > stated for seed in range(2))


@pytest.mark.parametrize("epsilon", [1.0, 4.0])
def test_sampling_without_coins_is_caught(epsilon: float) -> None:
    claimed, stated = claim_of(epsilon, 0.1)
    assert all(audit(claimed, deterministic=True, seed=seed).gdp > stated for seed in range(2))
    assert audit(claimed).gdp <= stated


@pytest.mark.full
@pytest.mark.parametrize("epsilon", [1.0, 4.0])
def test_four_hundred_private_trainings_of_a_gan(epsilon: float) -> None:
    """A canary in its own private run each time, scored by the noised sums against its own gradients."""
    claimed, stated = claim_of(epsilon, 0.5, steps=6)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for number in range(TRAININGS):
        inside = number % 2 == 0
        scores[inside].append(_one_training(claimed, number, inside))
    found = epsilon_lower_bounds(np.array(scores[True]), np.array(scores[False]), DELTA)
    assert max(bounds_of(found)) <= stated


def _one_training(claimed: PrivatePlan, seed: int, inside: bool) -> float:
    torch.manual_seed(seed)
    batch = patients_batch(4)
    step = PrivateGanStep(Generator((4, 8), 4), Discriminator(4, 2), claimed,
                          TrainingSettings(rounds=1, local_steps=1), "adapted", CPU, OsEntropy())
    public = Conditions(batch.labels[:1], batch.contrast[:1])
    canary = one_of(batch, 3)
    patients = [one_of(batch, k) for k in range(3)] + ([canary] if inside else [])
    rng = torch.Generator().manual_seed(seed)
    score = 0.0
    for _ in range(claimed.generator_steps):
        own = torch.cat([part.flatten() for part in patient_row(step.trained, [lambda: step.on_real(canary)])])
        sums: list[torch.Tensor] = []
        accounting = step.optimiser._engine.step_hook

        def keep(engine: object, sums: list[torch.Tensor] = sums, accounting: Callable = accounting) -> None:  # type: ignore[type-arg]
            sums.append(torch.cat([p.grad.flatten() for p in step.trained]))
            accounting(engine)

        step.optimiser._engine.attach_step_hook(keep)
        draw = poisson_draw(len(patients), claimed.rate, OsEntropy())
        step.discriminate(([patients[index]] for index in draw.take()), public, rng)
        step.optimiser._engine.attach_step_hook(accounting)
        score += float(sums[0] @ own / own.norm())
    return score
