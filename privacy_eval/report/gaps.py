"""What this audit did not run: printed, so that silence is not read as a pass."""

from __future__ import annotations

from typing import Final, NamedTuple

from privacy_eval.battery import SPACES, Measure, Setting
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.verdict.policy import AuditPolicy


class Gap(NamedTuple):
    """A test, or a part of one, that was not run, and why."""

    id: str
    subject: str
    why: str


_ALWAYS: Final = (
    Gap("T12", "leakage of training updates (K3)", "this audit attacks the release, not what sites sent in training"),
    Gap("–", "attackers trained on shadow generators (LiRA, RMIA)", "they need generators trained on other splits"),
    Gap("–", "other data of the recipient", "no registry, report or second data set was linked with the release"),
)


def gaps(setting: Setting, discriminator: str, canaries: bool) -> list[Gap]:
    """What was not run in an audit of this setting.

    Args:
        setting: what the audit had at hand.
        discriminator: why T5 is not in this edition; empty where it is.
        canaries: whether canaries were planted and scored.
    """
    found = []
    if not setting.reference:
        why = "no public reference images were at hand"
        found += [_gap("T2", why), Gap("T3", "T3 for an attacker with images alone", why), _gap("T9", why)]
    if not setting.generator:
        why = "there was no generator to query: nothing is said of an attacker who has it (K1, K2)"
        found += [_gap("T4", why), Gap("T3", "T3 for an attacker with the generator", why)]
    if not setting.labels:
        found.append(_gap("T11", "no label maps were at hand"))
    found += [Gap("T1, T6", f"the space '{space}'", "images were not compared in it") for space in SPACES
              if space not in setting.spaces]
    if discriminator:
        found.append(_gap("T5", discriminator))
    if not canaries:
        found.append(_gap("T10", "no canary was planted: nothing is said of any ε of training"))
    return [*found, *_ALWAYS]


def why_apart(measure: Measure, policy: AuditPolicy) -> str:
    """Why a measure is reported and does not decide."""
    if measure.test == "T8":
        return "an alarm: failing informs, passing proves nothing"
    if measure.test == "T9":
        return "too few patients to decide"
    if measure.test in policy.tests:
        return "recipients get the images alone, and this attacker has the generator"
    return "the study's family does not hold this test"


def _gap(test: str, why: str) -> Gap:
    return Gap(test, QUESTIONS[test].name.lower(), why)
