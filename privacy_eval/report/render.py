"""The page: one self-contained HTML file, made from the report's data by the templates."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from privacy_eval.report.drawing import forest_panels, line_chart
from privacy_eval.report.sections import Sections

BANNERS = {
    "LEAK": "leak",
    "NO LEAK FOUND AT THE STATED POWER": "clear",
    "INCONCLUSIVE": "open",
    "VOID": "void",
}
"""Style of each verdict and decision."""


def render_html(report: Mapping[str, Any], sections: Sections | None = None) -> str:
    """Render the report.

    Args:
        report: from `audit_report`, or read back from its JSON file.
        sections: what the caller adds.

    Returns:
        A whole HTML page that refers to nothing outside itself: style inline, drawings inline SVG, pictures base64.
    """
    extra = sections or Sections()
    return _environment().get_template("report.html.jinja").render(
        report=report,
        sections=extra,
        warnings=[*report["warnings"], *extra.warnings],
        panels=forest_panels(report),
        charts=[line_chart(curve) for curve in extra.curves],
        styles=BANNERS,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("privacy_eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": lambda data: b64encode(data).decode("ascii"),
        "three": lambda value: f"{round(value, 3) + 0.0:.3f}".replace("-", "−"),  # never a negative zero
        "percent": lambda value: f"{100 * value:.0f} %",
        "p": lambda value: "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0") if value < 1 else "1",
        "size": _size,
    }
    return environment


def _size(count: int) -> str:
    """Bytes for a reader: 12.3 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
