"""What the consortium agreed on for the audit, and the four words it can end with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from privacy_eval.errors import InputError
from privacy_eval.site.answer import TESTS, TestId

BLIND_MINIMUM: Final = 30
"""Members, and holdout subjects, below which a site's blind baseline is too weak to vouch for its split."""

REQUIRED_CONTROL_POWER: Final = 0.99
"""Power a must-fire test needs on the positive control for its silence, or its alarm, to mean something."""


class Verdict(StrEnum):
    """The audit's answer."""

    LEAK = "LEAK"
    NO_LEAK_FOUND = "NO LEAK FOUND AT THE STATED POWER"
    INCONCLUSIVE = "INCONCLUSIVE"
    VOID = "VOID"


@dataclass(frozen=True, kw_only=True)
class AuditPolicy:
    """The family of tests and its tolerances: policy of the study, not law.

    Attributes:
        tests: the family that Holm's method is applied to.
        alpha: level of the family; bounds are one-sided at 1 − alpha.
        control_alpha: level of the family on the negative control, lower so that chance rarely voids an audit.
        tolerance_auc: highest upper bound of an AUC (T1, T2, T4) that still counts as no leak found, in (.5, 1).
        tolerance_replicas: the same for T6's rate of members minus rate of holdout, in (0, 1).
        simulations: audits simulated for each power.
        simulation_seed: their seed; it touches power only, no patient's number.
    """

    tests: tuple[TestId, ...] = TESTS
    alpha: float = 0.05
    control_alpha: float = 0.01
    tolerance_auc: float = 0.60
    tolerance_replicas: float = 0.10
    simulations: int = 2000
    simulation_seed: int = 0

    def __post_init__(self) -> None:
        unknown = [test for test in self.tests if test not in TESTS]
        if not self.tests or unknown or len(set(self.tests)) < len(self.tests):
            raise InputError(f"audit policy: tests = {list(self.tests)}; expected from {', '.join(TESTS)}, each once")
        for name, low, high in (
            ("alpha", 0, 0.5), ("control_alpha", 0, 0.5), ("tolerance_auc", 0.5, 1), ("tolerance_replicas", 0, 1)
        ):
            if not low < getattr(self, name) < high:
                raise InputError(f"audit policy: {name} = {getattr(self, name)}; expected between {low} and {high}")
        if self.simulations < 1000:
            raise InputError(f"audit policy: simulations = {self.simulations}; expected at least 1000 to tell .99")

    def tolerance(self, test: TestId) -> float:
        """Tolerance of one test."""
        return self.tolerance_replicas if test == "T6" else self.tolerance_auc

    @property
    def first_step_alpha(self) -> float:
        """Level at which a single leaking test is sure to be rejected by Holm: alpha over the size of the family."""
        return self.alpha / len(self.tests)
