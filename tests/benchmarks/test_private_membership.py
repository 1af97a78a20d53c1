from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import prepare_run, write_run, write_untrained

from benchmarks import private_membership
from benchmarks.hospitals import load_hospitals
from benchmarks.private_membership import EMPIRICAL, PRIVATE, START, beside_one_another, refuse_others
from fl_components.server.release import Volume
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet

PRIVACY = {"mode": "private", "epsilon": 8.0, "trains": "scratch", "expected_batch": 2}


def report(verdict: str, **tests: float | None) -> dict[str, Any]:
    return {"verdict": verdict, "tests": [
        {"id": name, "found_in": "voxels", "scale": "AUC", "estimate": value,
         "low": None if value is None else value - 0.1, "high": None if value is None else value + 0.1,
         "decision": "no leak found"} for name, value in tests.items()]}


def finished(path: Path, **overrides: object) -> RunFolder:
    """A run with members, a generator, the sites' contrasts and a report; two volumes stand for its release."""
    run = write_run(path, subjects=5, **overrides)
    prepare_run(run)
    write_untrained(run)
    run.audit.mkdir()
    (run.audit / "report.json").write_text(json.dumps(report("INCONCLUSIVE", T1=0.5, T4=None)))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    folder = tmp_path_factory.mktemp("runs")
    return {EMPIRICAL: finished(folder / "demo"),
            PRIVATE: finished(folder / "private", privacy=PRIVACY, audit={"epsilon": 0.5, "tests": ["T1", "T4"]})}


def test_runs_are_attacked_side_by_side(runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is attacked through the generator alone: it has no release."""
    written: dict[str, Any] = {}
    counted: dict[str, int] = {}

    def keep(_: str, figures: dict[str, Any], n: dict[str, int], **__: object) -> None:
        written.update(figures)
        counted.update(n)

    rng = np.random.default_rng(0)
    shape = runs[PRIVATE].study().grid.shape
    monkeypatch.setattr(private_membership, "public_subjects", _few(shape))
    monkeypatch.setattr(private_membership, "read_release", lambda _: [
        Volume(str(k), rng.random((4, *shape)), np.ones(shape, np.uint8), np.eye(4)) for k in range(2)])
    monkeypatch.setattr(private_membership, "write_result", keep)
    monkeypatch.setattr("sys.argv", ["private_membership", str(runs[PRIVATE].path), "--beside",
                                     str(runs[EMPIRICAL].path)])
    assert private_membership.main() == 0
    assert {name: list(rows) for name, rows in written["attacks"].items()} == {
        EMPIRICAL: ["T4", "T1"], PRIVATE: ["T4", "T1"], START: ["T4"]}
    members = load_hospitals(runs[PRIVATE], "members")
    assert counted["members, private"] == sum(len(subjects) for subjects in members.values()) > 0
    # The same weights, the same members: an untrained run is told from its start by nothing.
    assert written["attacks"][PRIVATE]["T4"]["auc"] == written["attacks"][START]["T4"]["auc"]


def _few(shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - a function in place of another
    images = np.random.default_rng(1).random((6, 4, *shape)).astype(np.float32)
    return lambda *_: ImageSet(images)


def test_the_verdict_stands_in_a_runs_first_row_and_an_untold_figure_is_a_dash() -> None:
    rows = beside_one_another({EMPIRICAL: report("LEAK", T1=0.5, T2=0.7), PRIVATE: report("INCONCLUSIVE", T1=None)})
    assert [(row["run"], row["verdict"], row["id"]) for row in rows] == [
        (EMPIRICAL, "LEAK", "T1"), (EMPIRICAL, "", "T2"), (PRIVATE, "INCONCLUSIVE", "T1")]
    assert rows[1]["figure"] == {"estimate": 0.7, "low": pytest.approx(0.6), "high": pytest.approx(0.8)}
    assert rows[2]["figure"] == "–"


def test_runs_of_the_wrong_mode_or_without_a_report_are_refused(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    refuse_others(runs)
    with pytest.raises(InputError, match="expected a study of the empirical mode"):
        refuse_others({EMPIRICAL: runs[PRIVATE]})
    unaudited = write_run(tmp_path / "run", subjects=5)
    with pytest.raises(InputError, match="run 'fedsynth audit"):
        refuse_others({EMPIRICAL: unaudited})


def test_patients_are_refused(runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_membership, "all_simulated", lambda _: False)
    with pytest.raises(InputError, match="holds patients"):
        refuse_others(runs)
