"""The report: its data, its words, and a page that stands alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from audit_case import answer

from privacy_eval.report import Curve, Figure, Sections, SiteEgress, Table, audit_report, render_html
from privacy_eval.report.drawing import WIDTH, Axis, forest_panels, line_chart
from privacy_eval.report.wording import TESTS, VERDICTS
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.statistics.counts import SUPPRESSED
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(simulations=1000)
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")

CASES = {
    Verdict.NO_LEAK_FOUND: {},
    Verdict.LEAK: {"release": 0.7},
    Verdict.INCONCLUSIVE: {"n": 45, "release": 0.555},
    Verdict.VOID: {"negative": 0.7},
}


@cache
def result(verdict: Verdict) -> AuditResult:
    found = combine([answer(f"site-{letter}", **CASES[verdict]) for letter in "abcd"], POLICY)
    assert found.verdict is verdict
    return found


FULL = Sections(
    title="Audit of a release",
    figures=[Figure("Synthetic volumes", PIXEL, "Axial & coronal")],
    curves=[Curve("Loss", "round", "L1", {"site-a": [(0, 0.2), (1, 0.1)]}, "weighted")],
    quality=[Table("Quality", ["", "T1"], [["lookup table", "0.10"]], "holdout subjects")],
    egress=[SiteEgress("site-a", 7, 12_345_678, 300, 27)],
    provenance={"study": "ab" * 32, "command": "fedsynth demo"},
    methods=["Trained for 6 rounds."],
    warnings=["Watch the <b>seed</b>."],
)


class Page(HTMLParser):
    """Tags left open, attributes that load something, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "action")]
        if tag not in ("meta", "img", "br", "link", "input", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.mark.parametrize("verdict", list(Verdict))
def test_data_has_the_promised_keys_and_survives_json(verdict: Verdict) -> None:
    report = audit_report(result(verdict))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["verdict"] == verdict.value
    for control in ("positive", "negative"):
        assert report["controls"][control]["outcome"] in ("passed", "failed")
        assert [test["id"] for test in report["controls"][control]["tests"]] == ["T1", "T2", "T4", "T6"]
    for test in report["tests"]:
        assert {"id", "n_members", "n_holdout", "estimate", "low", "high", "decision"} <= set(test)
        assert test["low"] <= test["estimate"] <= test["high"]
    assert report["validity"]["outcome"] in ("passed", "failed")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_page_is_well_formed_and_loads_nothing(verdict: Verdict) -> None:
    html = render_html(audit_report(result(verdict)), FULL)
    page = Page(html)
    assert page.open == []
    assert all(source.startswith("data:image/png;base64,") for source in page.loads)
    assert not re.search(r"https?:|@import|url\(|<script|<link", html)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_first_screen_says_the_verdict_and_what_it_does_not_mean(verdict: Verdict) -> None:
    found = result(verdict)
    text = " ".join(Page(render_html(audit_report(found))).text.split())
    first = text[: text.index("What was attacked, and how it went")]
    for sentence in (verdict.value, VERDICTS[verdict].headline, *VERDICTS[verdict].does_not_mean, *found.reasons):
        assert " ".join(sentence.split()) in first


def test_every_warning_is_printed_and_escaped() -> None:
    audited = combine([answer(f"site-{x}", replicas=(SUPPRESSED, 0)) for x in "abcd"], POLICY)
    assert audited.warnings
    html = render_html(audit_report(audited, warnings=["The caller's own warning."]), FULL)
    text = " ".join(Page(html).text.split())
    for warning in (*audited.warnings, "The caller's own warning.", *FULL.warnings):
        assert warning in text
    assert "<b>seed</b>" not in html


def test_every_slot_is_filled_and_left_out_when_empty() -> None:
    report = audit_report(result(Verdict.NO_LEAK_FOUND))
    full, bare = render_html(report, FULL), render_html(report)
    for told in ("Synthetic volumes", "lookup table", "12.3 MB", "fedsynth demo", "Trained for 6 rounds.", "weighted"):
        assert told in full
    for heading in ("pictures", "quality", "training", "egress", "provenance", "warnings"):
        assert f'id="{heading}"' in full
        assert f'id="{heading}"' not in bare


def test_simulated_hospitals_are_announced_only_when_said() -> None:
    found = result(Verdict.NO_LEAK_FOUND)
    assert "Measured on simulated hospitals" in render_html(audit_report(found, simulated=True))
    assert "Measured on simulated hospitals" not in render_html(audit_report(found))


def test_each_test_names_its_attacker_and_what_a_pass_leaves_open() -> None:
    text = " ".join(Page(render_html(audit_report(result(Verdict.NO_LEAK_FOUND)))).text.split())
    for words in TESTS.values():
        assert words.attacker in text
        assert words.not_proved in text
    for word in ("singling out", "linkability", "inference", "membership inference"):
        assert word in text


def test_no_page_promises_anonymity() -> None:
    for verdict in Verdict:
        assert "anonym" not in render_html(audit_report(result(verdict)), FULL).lower()


def test_methods_paragraph_is_made_from_this_run() -> None:
    policy = replace(POLICY, tests=("T1", "T6"), tolerance_auc=0.63, control_alpha=0.02)
    text = " ".join(Page(render_html(audit_report(combine([answer(n=80)], policy)))).text.split())
    assert "tolerances: AUC 0.63" in text
    assert "judged at α = 0.02" in text
    assert "1000 simulated audits" in text


def test_an_abstaining_site_is_listed_without_numbers() -> None:
    sites = [answer(n=80), SiteStatistics.abstention("site-small", 5)]
    html = render_html(audit_report(combine(sites, POLICY)))
    row = html[html.index("<td>site-small</td>") :]
    assert "abstained" in row[: row.index("</tr>")]


def test_axis_maps_its_ends_and_keeps_values_inside() -> None:
    axis = Axis(0.4, 1.0, 100, 700)
    assert (axis.at(0.4), axis.at(0.7), axis.at(1.0), axis.at(2.0)) == (100, 400, 700, 700)
    assert all(100 <= position <= 700 for position, _ in axis.ticks())


def test_forest_rows_are_ordered_as_their_numbers() -> None:
    panels = forest_panels(audit_report(result(Verdict.NO_LEAK_FOUND)))
    assert [row["id"] for panel in panels for row in panel["rows"]] == ["T1", "T2", "T4", "T6"]
    for panel in panels:
        for row in panel["rows"]:
            assert panel["start"] <= row["low"] <= row["value"] <= row["high"] <= row["tolerance"] <= WIDTH
            assert row["positive"] > row["tolerance"]


def test_a_flat_or_empty_curve_is_drawn() -> None:
    assert line_chart(Curve("flat", "x", "y", {"a": [(1, 2.0), (2, 2.0)]}))["lines"][0]["points"].count(",") == 2
    assert line_chart(Curve("empty", "x", "y", {}))["lines"] == []
