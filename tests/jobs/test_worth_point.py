from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Drawing
from report_case import result, whole

from fl_components.evaluation.scores import Scores
from fl_components.json_file import write_json
from fl_components.vocabulary import REGIONS
from jobs import utility
from jobs.run_folder import RunFolder
from jobs.utility import LOOKUP, REAL, RELEASE, quick_file
from jobs.worth_point import worth_point
from privacy_eval.verdict.policy import Verdict

MEANS = {name: {"estimate": dice, "low": dice - 0.1, "high": dice + 0.1, "n": 9}
         for name, dice in ((REAL, 0.7), (RELEASE, 0.5), (LOOKUP, 0.4))}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(utility, "release_digest", lambda _: "this")
    return RunFolder(tmp_path)


def keep(run: RunFolder, **differing: Any) -> None:  # noqa: ANN401 - any JSON value
    write_json(quick_file(run), {"release": "this", "steps": 250, "rows": [], "means": MEANS} | differing)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Drawing]:
    """What was drawn, before it became a file."""
    drawings: list[Drawing] = []
    save = Drawing.savefig
    monkeypatch.setattr(Drawing, "savefig", lambda self, *given, **named: (drawings.append(self),
                                                                           save(self, *given, **named))[1])
    return drawings


def points(drawing: Drawing) -> dict[str, tuple[float, float]]:
    """Where each test's mark is."""
    return {bar.get_label(): (float(bar[0].get_xdata()[0]), float(bar[0].get_ydata()[0]))
            for bar in drawing.axes[0].containers}


def test_both_tests_stand_where_the_audit_and_the_quick_table_say(run: RunFolder, drawn: list[Drawing]) -> None:
    keep(run)
    figure = worth_point(run, whole())
    assert figure is not None
    assert figure.png[:4] == b"\x89PNG"
    assert "250 steps" in figure.caption
    audited = {finding.measure.id: finding.estimate.value for test in whole().tests for finding in test.findings}
    assert points(drawn[0]) == {"who holds the generator (T4)": (audited["T4.exact"], 0.5),
                                "who holds the images (T1)": (audited["T1.voxels"], 0.5)}
    left, right = drawn[0].axes[0].get_xlim()
    assert left <= 0.35
    assert right > whole().policy.tolerance_auc


def test_a_test_that_was_not_asked_for_is_not_shown(run: RunFolder, drawn: list[Drawing]) -> None:
    keep(run)
    assert worth_point(run, result(Verdict.LEAK)) is not None
    assert list(points(drawn[0])) == ["who holds the images (T1)"]


@pytest.mark.parametrize("differing", [{"release": "another"}, {"means": {}}])
def test_nothing_is_shown_of_another_release_or_of_too_few_subjects(run: RunFolder, differing: dict[str, Any]) -> None:
    assert worth_point(run, whole()) is None  # no quick table
    keep(run, **differing)
    assert worth_point(run, whole()) is None


def test_means_are_over_the_regions_that_a_subject_has() -> None:
    nan = np.nan
    dice = dict(zip(REGIONS, np.array([[.4, .6, nan], [.2, nan, nan], [nan, .8, nan]]), strict=True))
    found = utility._means({"one": Scores(dice, dice, np.zeros(3, bool))}, np.array(["a", "a", "a"]))
    assert found["one"]["estimate"] == pytest.approx(0.5)  # of .3 and .7
    assert found["one"]["n"] == 2
    alone = {region: values[:1] for region, values in dice.items()}
    assert utility._means({"one": Scores(alone, alone, np.zeros(1, bool))}, np.array(["a"])) == {}
