"""The page: stands alone, says all it must, and can be read without colour, mouse or screen."""

from __future__ import annotations

import json
import re

import pytest
from audit_case import answer
from report_case import CANARIES, FULL, INSIDE, LITTLE, PIXEL, POLICY, Page, result, whole

from privacy_eval.report import Figure, Sections, audit_report, render_html
from privacy_eval.report.glossary import GLOSSARY
from privacy_eval.report.law import SOURCES, TERMS
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.report.wording import INTERNAL, NO_CLAIM, SIGNS, SIMULATED, VERDICTS
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.statistics.counts import SUPPRESSED
from privacy_eval.verdict.combine import combine
from privacy_eval.verdict.policy import Verdict


def page(verdict: Verdict, sections: Sections | None = None) -> Page:
    return Page(render_html(audit_report(result(verdict)), sections))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_page_is_well_formed_and_loads_nothing(verdict: Verdict) -> None:
    html = render_html(audit_report(result(verdict)), FULL)
    found = Page(html)
    assert found.open == []
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in found.loads)
    targets = {attributes.get("id") for _, attributes in found.starts}
    assert {source[1:] for source in found.loads if source.startswith("#")} <= targets
    assert not re.search(r"https?://|@import|url\(|<link|<iframe|fetch\(|XMLHttp|import\(", html)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("verdict", list(Verdict))
def test_first_screen_says_the_verdict_and_what_it_does_not_mean(verdict: Verdict) -> None:
    text = page(verdict).text
    first = text[: text.index("What was attacked, and how it went")]
    words = VERDICTS[verdict]
    for sentence in (verdict.value, words.headline, words.rule, *words.does_not_mean, *result(verdict).reasons):
        assert " ".join(sentence.split()) in first


def test_every_warning_is_printed_and_escaped() -> None:
    audited = combine([answer(n=80, setting=LITTLE, replicas=(SUPPRESSED, 0), audit_number=3)], POLICY)
    assert len(audited.warnings) >= 3
    html = render_html(audit_report(audited, warnings=["The caller's own warning."]), FULL)
    for warning in (*audited.warnings, "The caller's own warning.", *FULL.warnings):
        assert " ".join(warning.split()) in Page(html).text
    assert "<b>seed</b>" not in html


def test_warnings_of_a_whole_audit_are_printed_in_both_editions() -> None:
    assert whole().warnings
    public = Page(render_html(audit_report(whole()))).text
    internal = Page(render_html(audit_report(whole(), "internal", inside=INSIDE))).text
    assert all(" ".join(warning.split()) in text for warning in whole().warnings for text in (public, internal))


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
    assert SIMULATED in render_html(audit_report(found, simulated=True))
    assert SIMULATED not in render_html(audit_report(found))


def test_the_internal_edition_says_so_on_every_printed_page_and_shows_what_it_found() -> None:
    picture = Sections(pairs=[Figure("Member 7013 beside 8117", PIXEL, "left the member")])
    html = render_html(audit_report(whole(), "internal", inside=INSIDE), picture)
    text = Page(html).text
    assert f'<p class="stamp">{INTERNAL}</p>' in html
    assert re.search(r"@media print \{.*\.stamp \{ position: fixed;", html, re.DOTALL)  # repeated on each page
    for told in ("7013", "8117", "7039", "0.977", "0.902", "0.736", "Member 7013 beside 8117", "1 to review"):
        assert told in text


def test_the_public_page_holds_nothing_of_the_inside() -> None:
    public = render_html(audit_report(whole()))
    for secret in ("7013", "8117", "7039", "0.977", "0.902", "0.736", INTERNAL):
        assert secret not in public
    with pytest.raises(ValueError, match="internal edition only"):
        render_html(audit_report(whole()), Sections(pairs=[Figure("Member", PIXEL)]))


def test_decisions_are_told_by_words_and_shapes() -> None:
    for verdict in (Verdict.LEAK, Verdict.INCONCLUSIVE, Verdict.NO_LEAK_FOUND):
        table = page(verdict).text
        table = table[table.index("smallest seen decision"): table.index("What each test asks")]
        assert f"{SIGNS[verdict].shape} {SIGNS[verdict].words}" in table
    assert len({sign.shape for sign in SIGNS.values()}) == len({sign.words for sign in SIGNS.values()}) == 4


def test_page_can_be_read_by_ear() -> None:
    found = Page(render_html(audit_report(whole(), "internal", inside=INSIDE), FULL))
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(found.headings, found.headings[1:], strict=False))
    for tag, attributes in found.starts:
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden")
    assert ("html", {"lang": "en"}) in found.starts


def test_variants_lie_under_their_test_and_are_open_in_print() -> None:
    html = render_html(audit_report(whole()))
    assert html.count("<details>") == len(whole().tests) + 1
    for test in whole().tests:
        assert f"{test.id}: all {len(test.findings)} variants" in html
    assert "::details-content" in html
    assert "beforeprint" in html


def test_each_test_is_documented_and_mapped() -> None:
    text = page(Verdict.NO_LEAK_FOUND).text
    assert set(QUESTIONS) == {"V0", "V1", *(f"T{k}" for k in range(1, 13))}
    assert set(TERMS) == {f"T{k}" for k in range(1, 13)}
    for words in QUESTIONS.values():
        for told in (words.attacker, words.question, words.statistic, words.null, words.needs, words.not_proved):
            assert " ".join(told.split()) in text
    for source in SOURCES:
        assert source.name in text
        assert source.here in text
    assert all(meaning in text for meaning in GLOSSARY.values())


def test_no_page_promises_what_it_cannot() -> None:
    for verdict in Verdict:
        text = page(verdict, FULL).text
        assert "anonym" not in text.replace(NO_CLAIM, "").lower()
        assert NO_CLAIM in text


def test_canaries_are_shown_with_their_claim() -> None:
    text = Page(render_html(audit_report(whole(), canaries=CANARIES))).text
    assert "Above the claim of 2.00: gdp" in text
    assert "T4 tells them apart with AUC 0.812, 0.700 to 0.900" in text
    assert "one run 0.40" in text


def test_an_abstaining_site_is_listed_without_numbers() -> None:
    sites = [answer(n=80, setting=LITTLE), SiteStatistics.abstention("site-small", LITTLE, 5)]
    html = render_html(audit_report(combine(sites, POLICY)))
    row = html[html.index('<th scope="row">site-small</th>'):]
    assert "abstained" in row[: row.index("</tr>")]


def test_a_page_of_data_read_back_is_the_same_page() -> None:
    report = audit_report(whole(), canaries=CANARIES)
    assert render_html(json.loads(json.dumps(report)), FULL) == render_html(report, FULL)
