"""The report of noised statistics: it says what was paid for what, and claims nothing for what stayed at the sites."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_case import CANARIES, FULL, Page

from privacy_eval.battery import TESTS
from privacy_eval.errors import InputError
from privacy_eval.report import (
    Guarantee,
    Sections,
    check_signoff,
    private_report,
    render_html,
    signoff_record,
)
from privacy_eval.report.private import KEPT
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.statistics.noised import NoisedAverage
from privacy_eval.statistics.private import NoisedAuc
from privacy_eval.statistics.ranks import minimum_detectable_auc, null_standard_error, upper_bound_at_null
from privacy_eval.verdict.policy import AuditPolicy, Verdict
from privacy_eval.verdict.private import UNTOLD, PrivateAuditResult, combine_private

PAGE = (Path(__file__).parents[3] / "docs" / "what-the-audit-can-tell.md").read_text(encoding="utf-8")
POLICY = AuditPolicy()
CASES = {Verdict.NO_LEAK_FOUND: (0.5, 200), Verdict.LEAK: (0.8, 200), Verdict.INCONCLUSIVE: (0.5, 40)}


def audited(auc: float = 0.5, n: int = 200) -> PrivateAuditResult:
    sites = [PrivateStatistics(name, n, n, 1, {one.id: NoisedAuc(round(2 * auc * n * n), n, n, 0.4)
                                               for one in POLICY.private_family})
             for name, n in (("east", n), ("west", n - 5))]
    return combine_private(sites, POLICY)


@pytest.fixture(params=CASES, ids=str)
def verdict(request: pytest.FixtureRequest) -> Verdict:
    return Verdict(request.param)


def test_it_is_plain_json_with_the_price_of_each_statistic(verdict: Verdict) -> None:
    report = private_report(audited(*CASES[verdict]))
    assert report["verdict"] == verdict
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    paid = report["private"]
    assert paid["statistics"] == {"T1.voxels": 0.4, "T2.voxels": 0.4, "T4.exact": 0.4}
    assert paid["epsilon"] == pytest.approx(1.2)
    assert paid["delta"] == 0


def test_checks_and_other_tests_are_kept_and_named_so() -> None:
    report = private_report(audited())
    assert {report["controls"][name]["outcome"] for name in ("positive", "negative")} == {KEPT}
    assert report["validity"]["outcome"] == KEPT
    assert "estimate" not in report["validity"]
    assert UNTOLD in report["warnings"]
    told = {test["id"] for test in report["tests"]}
    assert told == {"T1", "T2", "T4"}
    assert set(report["private"]["kept"]) == set(TESTS) - told
    assert set(TESTS) - told <= {row["id"] for row in report["untested"]}


def test_the_page_stands_alone_and_says_it_all(verdict: Verdict) -> None:
    page = Page(render_html(private_report(audited(*CASES[verdict]), warnings=["Look."], canaries=CANARIES), FULL))
    assert not page.open
    assert all(link.startswith(("#", "data:")) for link in page.loads)
    for words in (verdict, "(ε, 0)-differentially private with ε = 1.2", "The study as a whole is not said to be",
                  "discrete Laplace", "operating system", "replaced by another person", KEPT, "Look.", "T4.exact 0.4",
                  "Training, the contrasts' summaries, the generator and the release"):
        assert words in page.text
    for words in ("in this very run", "both controls and the blind baseline passed", "△", "undefined",
                  "study is differentially private"):
        assert words not in page.text


def test_a_study_that_states_an_epsilon_is_pointed_to_and_not_denied() -> None:
    stated = Sections(guarantee=Guarantee("ε = 8 for each patient.", {"Unit of privacy": "one patient"}))
    text = Page(render_html(private_report(audited()), stated)).text
    assert "one part of what is stated for the study as a whole under differential privacy" in text
    assert "not said to be" not in text
    nothing = Sections(guarantee=Guarantee("No guarantee."))
    assert "The study as a whole is not said to be" in Page(render_html(private_report(audited()), nothing)).text


def test_it_can_be_signed() -> None:
    report = private_report(audited())
    record = signoff_record(report, {"name": "A", "role": "DPO", "institution": "East", "decision": "do not release",
                                     "signed_on": "2027-03-01"})
    check_signoff(record, report)
    with pytest.raises(InputError):
        check_signoff(record, {**report, "verdict": "another"})


def test_the_page_s_table_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d) × \((\d+) \+ \2\) \|((?: \.\d{3} \|){8})$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for sites, patients, figures in rows:
        k, n = int(sites), int(patients)
        cheap, dear = (NoisedAverage((NoisedAuc(n * n, n, n, epsilon / 3),) * k) for epsilon in (1, 3))
        sampling, alpha = null_standard_error(n, n), POLICY.alpha / 3
        plain = sampling / k**0.5
        expected = [cheap.sites[0].noise_variance**0.5, sampling, cheap.estimate(0.95).high, dear.estimate(0.95).high,
                    upper_bound_at_null(plain), cheap.minimum_detectable(alpha, 0.8),
                    dear.minimum_detectable(alpha, 0.8), minimum_detectable_auc(plain, alpha)]
        assert [float(figure) for figure in figures.split("|") if figure.strip()] == pytest.approx(
            expected, abs=6e-4)
