"""The report as data: the JSON twin of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from privacy_eval.attacks.blind import BLIND_FOLDS, BLIND_INFLATION
from privacy_eval.attacks.replicas import REPLICA_QUANTILE
from privacy_eval.report.wording import TESTS, UNTESTED, VERDICTS
from privacy_eval.site import controls
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.combine import AuditResult, Control, ControlTest
from privacy_eval.verdict.family import TestResult
from privacy_eval.verdict.policy import BLIND_MINIMUM, REQUIRED_CONTROL_POWER

SCHEMA_VERSION: Final = 1


def audit_report(result: AuditResult, *, simulated: bool = False, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Everything the audit has to say, as plain JSON types.

    Args:
        result: the combined audit.
        simulated: True if every cohort behind it is simulated; the page then says so at the top.
        warnings: the caller's own, printed besides the audit's.
    """
    words = VERDICTS[result.verdict]
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": str(result.verdict),
        "headline": words.headline,
        "means": list(words.means),
        "does_not_mean": list(words.does_not_mean),
        "reasons": list(result.reasons),
        "warnings": [*result.warnings, *warnings],
        "simulated": simulated,
        "sites": [
            {
                "site": site.site, "n_members": site.n_members, "n_holdout": site.n_holdout,
                "abstained": site.abstained,
            }
            for site in result.sites
        ],
        "tests": [_test(test) for test in result.tests],
        "controls": {"positive": _control(result.positive), "negative": _control(result.negative)},
        "validity": {"id": "V0", "outcome": result.validity.outcome, **_estimate(result.validity.estimate)},
        "untested": [{"subject": subject, "why": why} for subject, why in UNTESTED],
        "method": _method(result),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """An estimate never travels without its interval and n."""
    data = asdict(estimate)
    return {"estimate": data.pop("value"), **data}


def _test(test: TestResult) -> dict[str, Any]:
    words = TESTS[test.id]
    return {
        "id": test.id,
        **asdict(words),
        **_estimate(test.estimate),
        "p_value": test.p_value,
        "adjusted_p": test.adjusted_p,
        "tolerance": test.tolerance,
        "power": test.power,
        "minimum_detectable": test.minimum_detectable,
        "subjects_to_settle": test.subjects_to_settle,
        "decision": str(test.decision),
    }


def _control(control: Control) -> dict[str, Any]:
    return {"outcome": control.outcome, "tests": [_control_test(test) for test in control.tests]}


def _control_test(test: ControlTest) -> dict[str, Any]:
    return {
        "id": test.measurement.id,
        **_estimate(test.measurement.estimate),
        "adjusted_p": test.measurement.adjusted_p,
        "must_fire": test.must_fire,
        "fired": test.fired,
        "right": test.right,
        "power": test.power,
    }


def _method(result: AuditResult) -> dict[str, Any]:
    """Parameters of this run, from which the methods paragraph is written."""
    policy = result.policy
    return {
        "alpha": policy.alpha,
        "control_alpha": policy.control_alpha,
        "tolerance_auc": policy.tolerance_auc,
        "tolerance_replicas": policy.tolerance_replicas,
        "simulations": policy.simulations,
        "simulation_seed": policy.simulation_seed,
        "minimum_counts": sorted({site.minimum_count for site in result.sites}),
        "leaked_share": controls.LEAKED_SHARE,
        "copy_noise": controls.COPY_NOISE,
        "blend": controls.BLEND,
        "replica_quantile": REPLICA_QUANTILE,
        "blind_folds": BLIND_FOLDS,
        "blind_inflation": BLIND_INFLATION,
        "blind_minimum": BLIND_MINIMUM,
        "required_control_power": REQUIRED_CONTROL_POWER,
    }
