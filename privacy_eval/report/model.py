"""The report as data: the JSON twin of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from privacy_eval.battery import Measure
from privacy_eval.report.gaps import gaps, why_apart
from privacy_eval.report.law import TERMS
from privacy_eval.report.methods import methods
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.report.translation import THRESHOLD, residual, translate
from privacy_eval.report.wording import ATTACKERS, VERDICTS, VerdictWords
from privacy_eval.site.inside import InsideFindings, Pair
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.combine import AuditResult
from privacy_eval.verdict.controls import Control, ControlTest
from privacy_eval.verdict.decision import Finding, TestResult
from privacy_eval.verdict.family import NULL
from privacy_eval.verdict.private import PrivateAuditResult

SCHEMA_VERSION: Final = 2

Edition = Literal["public", "internal"]

SCALES: Final = {"rank": "AUC", "normal": "standard normal deviate", "T3": "true less false positive rate",
                 "T6": "rate of members less rate of holdout", "T11": "rate of members less rate of holdout"}
"""What an estimate is, by kind or, for counts, by test."""


def audit_report(result: AuditResult, edition: Edition = "public", *, simulated: bool = False,
                 warnings: Sequence[str] = (), inside: InsideFindings | None = None,
                 canaries: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything the audit has to say, as plain JSON types.

    Args:
        result: the combined audit.
        edition: "public" holds statistics alone; "internal" adds one site's own findings and stays there.
        simulated: True if every cohort behind it is simulated; the page then says so at the top.
        warnings: the caller's own, printed besides the audit's.
        inside: the site's own findings: with the internal edition, and only with it.
        canaries: T10, where canaries were planted: plain JSON with `n_inside`, `n_outside`, `confidence`, `delta`,
            `bounds` (name → lower bound of ε), `claim` (the study's ε, or None), and perhaps `test` with its `auc`
            of in against out (`estimate`, `low`, `high`). Canaries are no persons, so they are in either edition.

    Raises:
        ValueError: if a site's own findings are given for the public edition, or missing in the internal one.
    """
    if (edition == "internal") != (inside is not None):
        raise ValueError(f"Expected a site's own findings with the internal edition and only there, found edition "
                         f"'{edition}' {'with' if inside is not None else 'without'} them.")
    words = VERDICTS[result.verdict]
    return {
        **report_head(result, words, edition, simulated, warnings),
        "controls": {"positive": _control(result.positive), "negative": _control(result.negative)},
        "validity": {"id": "V0", "outcome": result.validity.outcome, **_estimate(result.validity.estimate),
                     "about": asdict(QUESTIONS["V0"])},
        **_beside(result),
        "untested": _untested(result, inside, canaries),
        "canaries": None if canaries is None else canaries_section(canaries),
        "policy": asdict(result.policy) | {"tests": list(result.policy.tests)},
        "setting": _setting(result),
        "methods": methods(result),
        **({} if inside is None else {"inside": _inside(inside)}),
    }


def report_head(result: AuditResult | PrivateAuditResult, words: VerdictWords, edition: Edition, simulated: bool,
                warnings: Sequence[str]) -> dict[str, Any]:
    """What every report begins with: the verdict, why, by whose patients, and each test's row."""
    return {
        "schema_version": SCHEMA_VERSION,
        "edition": edition,
        "verdict": str(result.verdict),
        "headline": words.headline,
        "rule": words.rule,
        "means": list(words.means),
        "does_not_mean": list(words.does_not_mean),
        "reasons": list(result.reasons),
        "warnings": [*result.warnings, *warnings],
        "simulated": simulated,
        "level": result.level,
        "audit_number": result.audit_number,
        "sites": [{"site": site.site, "n_members": site.n_members, "n_holdout": site.n_holdout,
                   "abstained": site.abstained} for site in result.sites],
        "attackers": {name: str(verdict) for name, verdict in result.attackers.items()},
        "tests": [_test(test) for test in result.tests],
    }


def _setting(result: AuditResult) -> dict[str, Any]:
    setting = result.answers.setting
    return asdict(setting) | {"spaces": list(setting.spaces)}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """An estimate never travels without its interval and n."""
    data = asdict(estimate)
    return {"estimate": data.pop("value"), **data}


def _test(test: TestResult) -> dict[str, Any]:
    """The worst variant speaks; all of them follow."""
    speaker, words = _finding(test.worst), QUESTIONS[test.id]
    return {
        **speaker,
        "id": test.id,
        "name": words.name,
        "found_in": test.worst.measure.variant,
        "variants": [_finding(found) for found in test.findings],
        "about": asdict(words),
        "terms": TERMS[test.id]._asdict(),
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "id": found.measure.id,
        "variant": found.measure.variant,
        **_of_measure(found.measure),
        **_estimate(found.estimate),
        "p_value": found.p_value,
        "adjusted_p": found.adjusted_p,
        "tolerance": found.tolerance,
        "power": found.power,
        "minimum_detectable": found.minimum_detectable,
        "subjects_to_settle": found.subjects_to_settle,
        "decision": str(found.decision),
    }


def _of_measure(measure: Measure) -> dict[str, Any]:
    scale = SCALES[measure.test if measure.kind == "count" else measure.kind]
    return {"attacker": measure.attacker, "kind": measure.kind, "scale": scale, "null": NULL[measure.kind]}


def _beside(result: AuditResult) -> dict[str, Any]:
    """What is reported and does not decide, and T3 and T11 in other disciplines' terms."""
    silent = {row.measure for row in result.unanswered}
    setting = result.answers.setting
    rates = [measure for measure in setting.of(("T3",)) if measure not in silent]
    return {
        "apart": [{"id": row.measure.id, "test": row.measure.test, "variant": row.measure.variant,
                   "name": QUESTIONS[row.measure.test].name, **_of_measure(row.measure), **_estimate(row.estimate),
                   "p_value": row.p_value, "why": why_apart(row.measure, result.policy)} for row in result.apart],
        "unanswered": [{"id": row.measure.id, "why": row.why} for row in result.unanswered],
        "translation": {"threshold": THRESHOLD,
                        "rows": [translate(result.answers, measure, result.level) for measure in rates]},
        "residual_risk": [residual(result.answers, measure, result.level) for measure in setting.of(("T11",))],
    }


def _untested(result: AuditResult, inside: InsideFindings | None,
              canaries: Mapping[str, Any] | None) -> list[dict[str, str]]:
    discriminator = "it never leaves its site; a site attacks its own and keeps the result in its internal edition"
    if inside is not None:
        discriminator = "" if inside.insider else "this site had no discriminator to attack"
    setting = result.answers.setting
    rows = [gap._asdict() for gap in gaps(setting, discriminator, canaries is not None)]
    rows += [{"id": name, "subject": f"the attacker {name}", "why": f"who {does}: none of this family's measures is "
              "that attacker's"} for name, does in ATTACKERS.items() if name[:2] in ("K0", "K1")
             and name not in result.attackers]
    return rows


def _control(control: Control) -> dict[str, Any]:
    return {"outcome": control.outcome, "tests": [_control_test(test) for test in control.tests]}


def _control_test(test: ControlTest) -> dict[str, Any]:
    return {
        "id": test.measurement.measure.id,
        **_estimate(test.measurement.estimate),
        "adjusted_p": test.measurement.adjusted_p,
        "expected": test.expected,
        "fired": test.fired,
        "right": test.right,
        "power": test.power,
    }


def canaries_section(canaries: Mapping[str, Any]) -> dict[str, Any]:
    """T10 with what follows: a bound above the claim is a bug."""
    claim, bounds = canaries["claim"], dict(canaries["bounds"])
    above = [] if claim is None else [name for name, bound in bounds.items() if bound > claim]
    return {**canaries, "bounds": bounds, "above_claim": above, "about": asdict(QUESTIONS["T10"])}


def _inside(inside: InsideFindings) -> dict[str, Any]:
    def pairs(found: Sequence[Pair]) -> list[dict[str, Any]]:
        return [asdict(pair) for pair in found]

    return {
        "pairs": pairs(inside.pairs),
        "to_review": pairs(inside.to_review),
        "closest_people": inside.closest_people,
        "replicas": {space: list(rows) for space, rows in inside.replicas.items()},
        "insider": None if inside.insider is None else {"id": "T5", **_estimate(inside.insider),
                                                        "about": asdict(QUESTIONS["T5"])},
    }
