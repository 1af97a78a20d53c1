"""Geometry of the charts: numbers to positions; the templates draw the SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Final

from privacy_eval.report.sections import Curve

WIDTH: Final = 760
MARGIN_LEFT: Final = 262
MARGIN_RIGHT: Final = 24
ROW: Final = 34


@dataclass(frozen=True)
class Axis:
    """A linear map from values in [low, high] to positions in [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Position of a value, values outside kept at the axis' end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Positions and labels of at most `most` round values."""
        power = 10.0 ** floor(log10((self.high - self.low) / most))
        steps = [power * factor for factor in (1, 2, 5, 10, 20)]
        ranges = [range(ceil(self.low / step), floor(self.high / step) + 1) for step in steps]
        step, multiples = next(pair for pair in zip(steps, ranges, strict=True) if len(pair[1]) <= most)
        found = [round(k * step, 10) for k in multiples]
        return [(self.at(value), f"{value:.10g}".replace("-", "−")) for value in found]


def forest_panels(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One panel a scale: each test's interval, tolerance and controls beside its null."""
    panels = []
    for scale in dict.fromkeys(test["scale"] for test in report["tests"]):
        tests = [test for test in report["tests"] if test["scale"] == scale]
        controls = [_control_values(report, f"{test['id']}.{test['found_in']}") for test in tests]
        shown = [test[key] for test in tests for key in ("low", "high", "tolerance", "null") if test[key] is not None]
        shown += [value for pair in controls for value in pair]
        low, high = min(shown), max(shown)
        margin = 0.04 * (high - low)
        axis = Axis(low - margin, high + margin, MARGIN_LEFT, WIDTH - MARGIN_RIGHT)
        panels.append({
            "scale": scale, "width": WIDTH, "height": ROW * len(tests) + 46, "bottom": ROW * len(tests) + 12,
            "null": axis.at(tests[0]["null"]), "ticks": axis.ticks(), "start": axis.start, "end": axis.end,
            "rows": [_forest_row(index, test, pair, axis)
                     for index, (test, pair) in enumerate(zip(tests, controls, strict=True))],
        })
    return panels


def _control_values(report: Mapping[str, Any], measure: str) -> list[float]:
    """Estimates of one measure on the positive and the negative control; none where they are not told."""
    return [row["estimate"] for name in ("positive", "negative") for row in report["controls"][name]["tests"]
            if row["id"] == measure]


def _forest_row(index: int, test: Mapping[str, Any], controls: Sequence[float], axis: Axis) -> dict[str, Any]:
    return {
        "y": 12 + ROW * index + ROW / 2, "id": test["id"], "found_in": test["found_in"], "name": test["name"],
        "decision": test["decision"], "low": axis.at(test["low"]), "value": axis.at(test["estimate"]),
        "high": axis.at(test["high"]), "tolerance": None if test["tolerance"] is None else axis.at(test["tolerance"]),
        **{name: axis.at(value) for name, value in zip(("positive", "negative"), controls, strict=False)},
    }


def line_chart(curve: Curve) -> dict[str, Any]:
    """A curve's axes and polylines in a 760 × 260 drawing."""
    points = [point for series in curve.series.values() for point in series]
    x = _axis([point[0] for point in points], 64, WIDTH - MARGIN_RIGHT)
    y = _axis([point[1] for point in points], 214, 14)
    return {
        "title": curve.title, "caption": curve.caption, "x_label": curve.x_label, "y_label": curve.y_label,
        "width": WIDTH, "height": 262, "x_ticks": x.ticks(8), "y_ticks": y.ticks(5),
        "lines": [
            {"name": name, "points": " ".join(f"{x.at(a)},{y.at(b)}" for a, b in series)}
            for name, series in curve.series.items()
        ],
    }


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Axis(low, high, start, end)
