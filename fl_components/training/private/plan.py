"""The one frozen plan of a private study: what a site draws, clips, noises, releases and is charged for, and its ε."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fl_components.study import Study
from fl_components.training.private.accounting import (
    ADJACENCY,
    Event,
    PureAnswer,
    SampledGaussian,
    epsilon_spent,
    noise_for,
    prv_epsilon,
    replacement_epsilon,
)
from privacy_eval.errors import InputError

NO_GUARANTEE: Final = "no guarantee: this study claims no ε"
"""What stands where an ε would, in a study that claims none; never 0."""


@dataclass(frozen=True)
class PrivatePlan:
    """Everything that a site's guarantee depends on. It is made of a study (`plan_of`), and states no ε that its parts
    do not keep.

    Attributes:
        epsilon: claimed for each patient, over the whole study.
        delta: of it.
        rate: each patient's chance to be in a step (Poisson).
        clip: largest L2 norm of a patient's row in a step's sum, however many images the patient has.
        expected_batch: public divisor of a step's sum; also the public images of each step.
        rounds: of training.
        generator_steps: in each round.
        discriminator_steps: for each of the generator: noised sums.
        training_noise: standard deviation of a sum's noise, in units of `clip`; None if nothing is trained.
        summary_noise: of the summary's, in units of its sensitivity.
        audit_epsilon: of one audit, for replacing a patient.
        audits: that the study plans.
    """

    epsilon: float
    delta: float
    rate: float
    clip: float
    expected_batch: int
    rounds: int
    generator_steps: int
    discriminator_steps: int
    training_noise: float | None
    summary_noise: float
    audit_epsilon: float
    audits: int

    def __post_init__(self) -> None:
        found = epsilon_spent(self.events, self.delta)
        if found > self.epsilon:
            raise InputError(f"privacy plan: its parts cost ε = {found:.4g} at δ = {self.delta:g}, and it states "
                             f"{self.epsilon:g}; make it of the study")

    @property
    def adjacency(self) -> str:
        """The neighbouring relation, in words."""
        return ADJACENCY

    @property
    def released(self) -> tuple[str, ...]:
        """What leaves a site and depends on its patients."""
        trained = ("the generator, trained against the noised discriminator alone",) if self.training_noise else ()
        return ("one noised summary of contrast and tumours", *trained, f"noised statistics of {self.audits} audit(s)")

    @property
    def steps_per_round(self) -> int:
        """Noised sums a round."""
        return self.generator_steps * self.discriminator_steps if self.training_noise else 0

    @property
    def summary(self) -> SampledGaussian:
        """What the summary costs: one sum, everybody in it."""
        return SampledGaussian(self.summary_noise, 1.0, 1)

    @property
    def audit(self) -> PureAnswer:
        """What one audit costs."""
        return PureAnswer(self.audit_epsilon)

    def training(self, steps: int) -> SampledGaussian:
        """What so many noised sums cost.

        Raises:
            InputError: if the plan trains nothing.
        """
        if self.training_noise is None:
            raise InputError("privacy plan: it spends nothing on training; train nothing, or state "
                             "'privacy.trains' otherwise")
        return SampledGaussian(self.training_noise, self.rate, steps)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything, over the whole study."""
        trained = (self.training(self.rounds * self.steps_per_round),) if self.training_noise else ()
        return (self.summary, *trained, *(self.audit,) * self.audits)

    @property
    def epsilon_kept(self) -> float:
        """What the parts cost together: at most `epsilon`."""
        return epsilon_spent(self.events, self.delta)

    @property
    def epsilon_prv(self) -> float:
        """The same by Opacus' PRV accountant, tighter."""
        return prv_epsilon(self.events, self.delta)

    @property
    def epsilon_replacing(self) -> float:
        """The same for replacing a patient by another, about twice."""
        return replacement_epsilon(self.events, self.delta)


def plan_of(study: Study) -> PrivatePlan | None:
    """The study's plan; None if it claims no ε.

    Raises:
        InputError: if what the study wants cannot be accounted for, or leaves nothing for training.
    """
    if not study.privacy.private:
        return None
    if study.audit.epsilon is None:
        raise InputError("key 'audit': without epsilon, audits of a private study could not be accounted for; set "
                         "audit.epsilon to what one audit may cost each patient, such as 0.5")
    training = study.training
    return _plan(study.privacy.epsilon, study.privacy.delta, study.privacy.rate, study.privacy.clip,
                 study.privacy.expected_batch, training.rounds, training.local_steps,
                 study.privacy.discriminator_steps, study.privacy.trains == "summary", study.privacy.summary_share,
                 study.audit.epsilon, study.audit.releases)


@lru_cache(maxsize=16)  # the noise takes seconds to find, and every task asks for it
def _plan(epsilon: float, delta: float, rate: float, clip: float, expected_batch: int, rounds: int,
          generator_steps: int, discriminator_steps: int, summary_only: bool, summary_share: float,
          audit_epsilon: float, audits: int) -> PrivatePlan:
    audit: list[Event] = [PureAnswer(audit_epsilon)] * audits
    if summary_only:
        summary_noise, training_noise = noise_for(epsilon, delta, 1.0, 1, audit), None
    else:
        summary_noise = noise_for(summary_share * epsilon, delta, 1.0, 1)
        spent = [SampledGaussian(summary_noise, 1.0, 1), *audit]
        training_noise = noise_for(epsilon, delta, rate, rounds * generator_steps * discriminator_steps, spent)
    return PrivatePlan(epsilon, delta, rate, clip, expected_batch, rounds, generator_steps, discriminator_steps,
                       training_noise, summary_noise, audit_epsilon, audits)
