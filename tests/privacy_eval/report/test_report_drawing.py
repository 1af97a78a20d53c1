"""Numbers to positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from report_case import whole

from privacy_eval.report import Curve, audit_report
from privacy_eval.report.drawing import WIDTH, Axis, forest_panels, line_chart


def test_axis_maps_its_ends_and_keeps_values_inside() -> None:
    axis = Axis(0.4, 1.0, 100, 700)
    assert (axis.at(0.4), axis.at(0.7), axis.at(1.0), axis.at(2.0)) == (100, 400, 700, 700)


@given(low=st.floats(-1e3, 1e3), span=st.floats(1e-3, 1e4), most=st.integers(3, 9))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    axis = Axis(low, low + span, 0, 1)
    values = [float(label.replace("−", "-")) for _, label in axis.ticks(most)]
    assert 1 <= len(values) <= most
    assert all(low - 1e-3 * span <= value <= low + span * 1.001 for value in values)


def test_ticks_of_an_auc_are_what_a_person_would_draw() -> None:
    assert [label for _, label in Axis(0.38, 0.92, 0, 1).ticks()] == ["0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]


def test_forest_rows_are_ordered_as_their_numbers() -> None:
    report = audit_report(whole())
    panels = forest_panels(report)
    assert sorted(row["id"] for panel in panels for row in panel["rows"]) == sorted(t["id"] for t in report["tests"])
    for panel in panels:
        for row in panel["rows"]:
            assert panel["start"] <= row["low"] <= row["value"] <= row["high"] <= WIDTH
            assert (row["tolerance"] is None) == (row["id"] == "T7")
            if row["id"] in ("T1", "T2", "T4", "T6"):
                assert row["negative"] <= row["tolerance"] < row["positive"]


def test_a_flat_or_empty_curve_is_drawn() -> None:
    assert line_chart(Curve("flat", "x", "y", {"a": [(1, 2.0), (2, 2.0)]}))["lines"][0]["points"].count(",") == 2
    assert line_chart(Curve("empty", "x", "y", {}))["lines"] == []
