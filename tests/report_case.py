"""Audits to report, each of one site so that they are judged in seconds, and a page taken apart."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser

from audit_case import SETTING, answer

from privacy_eval.battery import Setting
from privacy_eval.report import Curve, Figure, Sections, SiteEgress, Table
from privacy_eval.site.inside import InsideFindings, Pair
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy, Verdict

POLICY = AuditPolicy(simulations=1000)
LITTLE = Setting(spaces=("voxels",), reference=False, generator=False)
"""Two folders of images: T1 and T6 to T8 in one space."""

CASES = {
    Verdict.NO_LEAK_FOUND: {"n": 200},
    Verdict.LEAK: {"n": 80, "release": 0.7},
    Verdict.INCONCLUSIVE: {"n": 60, "release": 0.555},
    Verdict.VOID: {"n": 80, "negative": 0.7},
}

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")

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

INSIDE = InsideFindings(
    pairs=(Pair("members", 7013, 8117, 0.8123, 0.9771), Pair("holdout", 7029, 8123, 0.7234, 0.8345)),
    closest_people=0.9017, replicas={"voxels": (7013, 7039), "coarse": ()},
    insider=Estimate(0.7357, 0.6468, 0.8246, 0.95, 61, 67))

CANARIES = {"n_inside": 12, "n_outside": 9, "confidence": 0.95, "delta": 1e-5, "claim": 2.0,
            "bounds": {"one_run": 0.4, "gdp": 2.7},
            "test": "T4", "auc": {"estimate": 0.8123, "low": 0.7, "high": 0.9}}


@cache
def result(verdict: Verdict) -> AuditResult:
    """A small audit that ends with this verdict."""
    found = combine([answer(setting=LITTLE, **CASES[verdict])], POLICY)  # type: ignore[arg-type]
    assert found.verdict is verdict
    return found


@cache
def whole() -> AuditResult:
    """An audit of all tests but those in an embedding."""
    return combine([answer(n=60, setting=SETTING)], POLICY)


class Page(HTMLParser):
    """Tags left open, attributes that load something, heading levels, tables' headers, pictures' words, the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.starts: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.starts.append((tag, found))
        self.loads += [value for name, value in found.items()
                       if name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster", "background")]
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag not in ("meta", "img", "br", "link", "input", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words += data + (" " if self.open[-1:] not in (["b"], ["em"]) else "")
