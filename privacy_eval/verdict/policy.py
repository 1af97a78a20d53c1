"""What the consortium agreed on for the audit, and the four words it can end with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from privacy_eval.battery import FAMILY, PRIVATE_LIST, Measure, Setting, TestId
from privacy_eval.errors import InputError

BLIND_MINIMUM: Final = 30
"""Members, and holdout subjects, below which a site's blind baseline is too weak to vouch for its split."""

REQUIRED_CONTROL_POWER: Final = 0.99
"""Power a must-fire test needs on the positive control for its silence, or its alarm, to mean something."""

Recipients = Literal["generator", "images"]


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
        tests: the tests whose measures form the family that Holm's method is applied to.
        recipients: get the generator's weights besides the images, or the images alone; then the tests of an
            attacker who queries the generator are reported apart and do not decide.
        alpha: level of the family over all planned releases; bounds are one-sided at 1 − the level of one audit.
        releases: how many releases of the study were planned to be audited; see `level`.
        control_alpha: level of the family on the negative control, lower so that chance rarely voids an audit.
        tolerance_auc: highest upper bound of an AUC (T1, T2, T4) that still counts as no leak found, in (.5, 1).
        tolerance_rate: the same for T3's true minus false positive rate, in (0, 1).
        tolerance_replicas: the same for T6's rate of members minus rate of holdout, in (0, 1).
        tolerance_attributes: the same for T11's rate of right guesses, members minus holdout, in (0, 1).
        simulations: audits simulated for each power.
        simulation_seed: their seed; it touches power only, no patient's number.
    """

    tests: tuple[TestId, ...] = FAMILY
    recipients: Recipients = "generator"
    alpha: float = 0.05
    releases: int = 1
    control_alpha: float = 0.01
    tolerance_auc: float = 0.60
    tolerance_rate: float = 0.25
    tolerance_replicas: float = 0.10
    tolerance_attributes: float = 0.20
    simulations: int = 2000
    simulation_seed: int = 0

    def __post_init__(self) -> None:
        unknown = [test for test in self.tests if test not in FAMILY]
        if not self.tests or unknown or len(set(self.tests)) < len(self.tests):
            raise InputError(f"audit policy: tests = {list(self.tests)}; expected from {', '.join(FAMILY)}, each once")
        for name, low, high in (("alpha", 0, 0.5), ("control_alpha", 0, 0.5), ("tolerance_auc", 0.5, 1),
                                ("tolerance_rate", 0, 1), ("tolerance_replicas", 0, 1), ("tolerance_attributes", 0, 1)):
            if not low < getattr(self, name) < high:
                raise InputError(f"audit policy: {name} = {getattr(self, name)}; expected between {low} and {high}")
        if self.simulations < 1000:
            raise InputError(f"audit policy: simulations = {self.simulations}; expected at least 1000 to tell .99")
        if self.releases < 1:
            raise InputError(f"audit policy: releases = {self.releases}; expected at least 1")

    def tolerance(self, measure: Measure) -> float | None:
        """Highest upper bound that passes; None for T7, whose pass proves nothing."""
        return {"T3": self.tolerance_rate, "T6": self.tolerance_replicas, "T11": self.tolerance_attributes,
                "T7": None}.get(measure.test, self.tolerance_auc)

    def level(self, audit_number: int) -> float:
        """Level of the study's k-th audit: alpha / releases as planned, halved for each audit beyond the plan.

        All planned audits together keep alpha, any number of them 2·alpha: whoever audits until one passes pays.
        """
        return self.alpha / self.releases * 0.5 ** max(0, audit_number - self.releases)

    def family(self, setting: Setting) -> tuple[Measure, ...]:
        """The measures that decide."""
        return tuple(measure for measure in setting.of(self.tests) if self.decides(measure))

    @property
    def private_family(self) -> tuple[Measure, ...]:
        """The measures that decide, and leave with noise, in a study that claims an ε; none if the tests hold none."""
        return tuple(one for one in Setting().measures if one.id in PRIVATE_LIST and self.decides(one))

    def decides(self, measure: Measure) -> bool:
        """Whether a measure of the battery is in the family."""
        held = self.recipients == "generator" or measure.attacker != "K1/K2"
        return measure.test in self.tests and held
