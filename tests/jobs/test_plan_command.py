"""`fedsynth audit plan` as it is typed: numbers, a study or a run folder; tables, JSON, one line for bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_run import prepare_run, write_run
from typer.testing import CliRunner, Result

from jobs.cli import app

STUDY = """name = "two"
preset = "tiny"
seed = 1
[sites]
north = 10
south = 5
[cohort]
holdout = 0.5
test = 0.1
[audit]
tests = ["T1", "T4"]
tolerance_auc = 0.7
minimum_subjects = 30
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", "plan", *(str(a) for a in arguments)])


def data(*arguments: str | Path) -> dict[str, Any]:
    result = call(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


def test_study_gives_shares_policy_and_names(study: Path) -> None:
    found = data("--sites", "100,70", "--study", study, "--minimum-count", "3")
    assert {name: (site["members"], site["holdout"], site["minimum_count"], site["minimum_subjects"])
            for name, site in found["sites"].items()} == {"north": (40, 50, 3, 30), "south": (28, 35, 3, 30)}
    assert not found["sites"]["south"]["takes_part"]
    assert found["policy"]["tolerance_auc"] == 0.7
    assert [row["test"] for row in found["tests"]] == ["T1", "T4"]
    assert found["first_step"] == pytest.approx(0.05 / sum(len(row["measures"]) for row in found["tests"]))
    assert len(found["obstacles"]) >= 1
    assert found["clean_release"]["at_most"] == 0
    assert set(found["needed"]) == {"north"}


def test_members_and_holdout_need_no_study(study: Path) -> None:
    found = data("--members", "90, 80", "--holdout", "60,50", "--study", study)
    assert [(site["members"], site["holdout"]) for site in found["sites"].values()] == [(90, 60), (80, 50)]
    assert found["obstacles"] == []
    assert 0 < found["clean_release"]["at_least"] <= found["clean_release"]["correlated"] < 1


def test_table_and_sentences(study: Path) -> None:
    result = call("--sites", "200,150", "--study", study)
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for part in ("140+175", "0.70", "A release that leaks nothing is found NO LEAK with a probability of",
                 "Chance alone voids", "it takes"):
        assert part in words


def test_run_folder_gives_its_splits(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=12)
    refused = call(run.path)
    assert refused.exit_code == 2
    assert "prepare the cohort" in refused.stderr
    prepare_run(run)
    found = data(run.path)
    assert {name: (site["members"], site["holdout"]) for name, site in found["sites"].items()} == {
        "east": (5, 5), "west": (5, 5)}
    assert {site["minimum_count"] for site in found["sites"].values()} == {3}


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "found no numbers"),
    (["--sites", "10,x"], "found 'x'"),
    (["--sites", "10,-3"], "found '-3'"),
    (["--sites", ""], "found ''"),
    (["--sites", "100", "--members", "50"], "expected --sites alone"),
    (["--members", "50,60", "--holdout", "50"], "2 sites in --members and 1"),
    (["--members", "50"], "found no numbers"),
    (["--sites", "10,10"], "none of 2 sites would take part"),
    (["--sites", "100", "--study", "nowhere.toml"], "nowhere.toml"),
    (["nowhere"], "no such run folder"),
    (["nowhere", "--sites", "100"], "expected a run folder or numbers"),
])
def test_bad_input_is_one_line(arguments: list[str], words: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("fedsynth: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["nowhere"], ["--format", "json", "nowhere"], ["default"], ["./plan"]])
def test_what_is_no_command_is_a_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["audit", *arguments])
    assert result.exit_code == 2
    assert "no such run folder" in result.stderr
