"""The page: one self-contained HTML file, made from the report's data by the templates."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from privacy_eval.report import wording
from privacy_eval.report.drawing import forest_panels, line_chart
from privacy_eval.report.glossary import GLOSSARY
from privacy_eval.report.law import SOURCES, TERMS
from privacy_eval.report.private import KEPT
from privacy_eval.report.questions import QUESTIONS
from privacy_eval.report.sections import Sections
from privacy_eval.report.signoff import DECISIONS, bound_to


def render_html(report: Mapping[str, Any], sections: Sections | None = None) -> str:
    """Render the report.

    Args:
        report: from `audit_report`, or read back from its JSON file. The sign-off is bound to it as it stands: write
            this very mapping to the JSON file.
        sections: what the caller adds.

    Returns:
        A whole HTML page that refers to nothing outside itself: style inline, drawings inline SVG, pictures base64.

    Raises:
        ValueError: if pictures of real patients are given for the public edition.
    """
    extra = sections or Sections()
    if extra.pairs and report["edition"] != "internal":
        raise ValueError(f"Expected pictures of pairs in the internal edition only, found {len(extra.pairs)} for the "
                         f"{report['edition']} one.")
    return _environment().get_template("report.html.jinja").render(
        report=report,
        sections=extra,
        warnings=[*report["warnings"], *extra.warnings],
        panels=forest_panels(report),
        charts=[line_chart(curve) for curve in extra.curves],
        signs={str(verdict): sign for verdict, sign in wording.SIGNS.items()},
        wording=wording,
        questions=QUESTIONS,
        terms=TERMS,
        sources=SOURCES,
        glossary=GLOSSARY,
        decisions=DECISIONS,
        bound=bound_to(report),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("privacy_eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(base64=_base64, three=_three, two=_two, percent=_percent, p=_p_value, size=_size,
                               chip=_chip)
    return environment


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _three(value: float | None) -> str:
    return _fixed(value, 3)


def _two(value: float | None) -> str:
    return _fixed(value, 2)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _p_value(value: float) -> str:
    if value < 0.001:
        return "< .001"
    return f"{value:.3f}".lstrip("0") if value < 1 else "1"


def _fixed(value: float | None, digits: int) -> str:
    """A dash where there is no value; a true minus sign, and never a negative zero."""
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _size(count: int) -> str:
    """Bytes for a reader: 12.3 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _chip(decision: str) -> Markup:
    """A decision or an outcome by shape and words; colour only repeats it."""
    signs = {str(verdict): (sign.style, sign.shape, sign.words) for verdict, sign in wording.SIGNS.items()}
    signs |= {"passed": ("clear", "✓", "passed"), "failed": ("leak", "✕", "failed"),
              KEPT: ("open", "–", KEPT)}
    style, shape, words = signs[decision]
    return Markup('<span class="chip {}"><span aria-hidden="true">{}</span> {}</span>').format(style, shape, words)
