"""The page "What the audit can and cannot tell you" says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from privacy_eval.battery import Setting
from privacy_eval.report.law import SOURCES
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.report.signoff import DECISIONS, FIELDS
from privacy_eval.statistics.counts import clopper_pearson
from privacy_eval.statistics.ranks import minimum_detectable_auc, null_standard_error, upper_bound_at_null
from privacy_eval.verdict.policy import AuditPolicy, Verdict

PAGE = (Path(__file__).parents[3] / "docs" / "what-the-audit-can-tell.md").read_text(encoding="utf-8")


def test_verdicts_tests_sources_and_fields_are_there() -> None:
    for word in (*Verdict, *(f"**{test}," for test in QUESTIONS), *DECISIONS, *(f"`{name}`" for name in FIELDS)):
        assert str(word) in PAGE
    for source in SOURCES:
        assert source.name.split(" (")[0].split(",")[0] in PAGE


def test_each_test_s_paragraph_says_what_a_pass_does_not_prove() -> None:
    for test in (f"T{k}" for k in range(1, 12)):
        paragraph = PAGE[PAGE.index(f"**{test},"):].split("\n\n")[0]
        assert re.search(r"A (bound|pass)\b|A\s+pass", paragraph), test


def test_power_table_is_that_of_the_code() -> None:
    family = AuditPolicy().family(Setting())
    steps = len([measure for measure in family if measure.id not in ("T3.images1", "T3.generator1")])
    assert f"first step of Holm over {steps} measures" in PAGE
    rows = re.findall(r"^\| (\d+) \+ \1 \| (\.\d+) \| (\.\d+) \| (\.\d+) \| (\.\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for patients, *figures in rows:
        error = null_standard_error(int(patients), int(patients))
        expected = [upper_bound_at_null(error), minimum_detectable_auc(error),
                    minimum_detectable_auc(error, 0.05 / steps), clopper_pearson(0, int(patients))[1]]
        assert [float(figure) for figure in figures] == pytest.approx(expected, abs=6e-4)


def test_levels_and_tolerances_are_the_policy_s() -> None:
    policy = AuditPolicy()
    told = ", ".join(f"{policy.level(number):g}"[1:] for number in (1, 2, 3))
    assert f"With α = .05 and r = 1: {told}" in PAGE
    assert (policy.tolerance_auc, policy.tolerance_rate, policy.tolerance_replicas, policy.tolerance_attributes) == (
        0.6, 0.25, 0.1, 0.2)
    assert "Tolerances (.60 for an AUC, .25, .10 and .20 for rates)" in PAGE


def test_it_claims_no_anonymity() -> None:
    assert len(re.findall("anonym", PAGE, re.IGNORECASE)) == 1
    assert "none of them says that a release is anonymous" in PAGE
