"""The controls of an audit's own run: a release that leaks by construction, and one that holds no member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from privacy_eval.battery import Measure
from privacy_eval.site.controls import LEAKED_SHARE
from privacy_eval.verdict import power
from privacy_eval.verdict.answers import Answers
from privacy_eval.verdict.family import Measurement, measure
from privacy_eval.verdict.policy import REQUIRED_CONTROL_POWER, AuditPolicy

Outcome = Literal["passed", "failed"]


@dataclass(frozen=True)
class ControlTest:
    """One measure on one control.

    Attributes:
        measurement: what it measured there.
        expected: whether it must fire; None where it is shown only.
        fired: whether Holm rejected, at the audit's level (positive) or control_alpha (negative).
        power: probability that it fires on the positive control at these n, by simulation; None where not needed.
    """

    measurement: Measurement
    expected: bool | None
    fired: bool
    power: float | None

    @property
    def right(self) -> bool:
        """Whether it did what it must."""
        return self.expected is None or self.fired == self.expected


@dataclass(frozen=True)
class Control:
    """A control of this very run: passed if every measure did what it must."""

    tests: tuple[ControlTest, ...]

    @property
    def outcome(self) -> Outcome:
        """Whether every measure did what it must."""
        return "passed" if all(test.right for test in self.tests) else "failed"

    @property
    def wrong(self) -> tuple[ControlTest, ...]:
        """Measures that did not do what they must."""
        return tuple(test for test in self.tests if not test.right)

    @property
    def underpowered(self) -> tuple[ControlTest, ...]:
        """Must-fire measures whose power is below what is required."""
        return tuple(test for test in self.tests if test.power is not None and test.power < REQUIRED_CONTROL_POWER)


def positive_control(answers: Answers, family: Sequence[Measure], policy: AuditPolicy, level: float,
                     rng: np.random.Generator) -> Control:
    """The planted leak: what must fire there, and how likely each measure was to.

    Args:
        answers: of the sites that took part.
        family: the measures that decide.
        policy: the study's.
        level: of this audit.
        rng: of the simulated powers.
    """
    alpha, runs, powers = level / len(family), policy.simulations, dict[str, float]()

    def power_of(one: Measure) -> float | None:
        if not one.must_fire:
            return None
        if one.kind not in powers:
            patients = answers.strata(one)
            powers[one.kind] = (power.leak_power_of_ranks(patients, LEAKED_SHARE, alpha, runs, rng)
                                if one.kind == "rank" else power.leak_power_of_replicas(patients, alpha, runs, rng))
        return powers[one.kind]

    return Control(tuple(ControlTest(row, row.measure.must_fire or None, row.adjusted_p <= level, power_of(row.measure))
                         for row in measure(answers, "positive", family, 1 - level)))

def negative_control(answers: Answers, family: Sequence[Measure], policy: AuditPolicy, level: float) -> Control:
    """The release that holds no member: nothing may fire there."""
    return Control(tuple(ControlTest(row, False, row.adjusted_p <= policy.control_alpha, None)
                         for row in measure(answers, "negative", family, 1 - level)))
