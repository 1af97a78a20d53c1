"""The command line's own promises: exit codes, one line for bad input, JSON on stdout."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import prepare_run, write_run
from typer.testing import CliRunner, Result

from jobs.cli import EXIT_CODES, app
from privacy_eval.verdict.policy import Verdict

COMMANDS = (["cohort", "simulate"], ["cohort", "check"], ["train"], ["synthesize"], ["audit"], ["evaluate"], ["report"],
            ["demo"])


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def assert_refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("fedsynth: ")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: fedsynth {' '.join(command)}" in " ".join(result.output.split())


@pytest.mark.parametrize(("told", "found"), [
    ({}, "50000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")])
def test_waiting_threads_soon_sleep_unless_told_otherwise(told: dict[str, str], found: str) -> None:
    """What is set after torch is imported comes too late."""
    code = ("import atexit, os, sys, jobs.cli; assert 'torch' not in sys.modules; "
            "atexit.register(lambda: print(os.environ.get('GOMP_SPINCOUNT'))); sys.argv = ['fedsynth', '--help']; "
            "jobs.cli.main()")
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run([sys.executable, "-c", code], env=environment | told, capture_output=True, text=True,
                          check=True)
    assert done.stdout.splitlines()[-1] == found


def test_every_verdict_has_an_exit_code() -> None:
    assert {str(verdict) for verdict in Verdict} == set(EXIT_CODES)
    assert sorted(EXIT_CODES.values()) == [0, 1, 3, 4]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[-1] not in {"simulate", "demo"}], ids=" ".join)
def test_missing_run_folder(tmp_path: Path, command: list[str]) -> None:
    assert_refused(call(*command, tmp_path / "nowhere"), "nowhere", "no such run folder")


def test_unknown_key_in_study(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    run.study_file.write_text("colour = 1\n" + run.study_file.read_text())
    assert_refused(call("train", run.path), "study.toml", "unknown key 'colour'")


def test_unknown_key_in_site(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    path = run.site_file("east")
    path.write_text(path.read_text().replace("[policy]", "[policy]\nmaximum_ronds = 3"))
    assert_refused(call("train", run.path), str(path), "policy.maximum_ronds")


def test_value_out_of_range_names_key_value_and_rule(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    run.study_file.write_text(run.study_file.read_text().replace("rounds = 2", "rounds = 0"))
    assert_refused(call("train", run.path), "training.rounds", "found 0", "greater than or equal to 1")


def test_missing_data_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    assert_refused(call("cohort", "check", run.path), "data", "no such folder")


def test_corrupt_gzip_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=2)
    (scan,) = (run.site_folder("west") / "data" / "west_001").glob("*_t2.nii.gz")
    scan.write_bytes(scan.read_bytes()[:-200])
    result = call("cohort", "check", run.path, "--site", "west")
    assert_refused(result, scan.name)
    state = run.site_folder("west") / "state"
    assert not (state / "cohort" / "split.json").exists()
    assert not [path for path in state.rglob("*") if "partial" in path.name]
    with pytest.raises(EOFError):
        gzip.decompress(scan.read_bytes())  # the input itself was left alone


def test_unprepared_cohort_is_said_before_anything_starts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=3)
    assert_refused(call("train", run.path), "split")
    assert not run.nvflare.exists()


def test_json_is_one_object_on_stdout(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=6)
    result = call("cohort", "check", run.path, "--site", "east", "--format", "json")
    assert result.exit_code == 0, result.output
    site = json.loads(result.stdout)["sites"]["east"]
    assert (site["members"], site["holdout"], site["test"]) == (3, 2, 1)
    assert Path(site["sheet"]).read_bytes().startswith(b"\x89PNG")


def test_site_that_is_not_the_studys(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    assert_refused(call("cohort", "check", run.path, "--site", "moon"), "--site moon", "east, west")


def test_steps_out_of_order(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=6)
    prepare_run(run)
    assert_refused(call("synthesize", run.path), "no trained generator", "fedsynth train")
    assert_refused(call("audit", run.path), "release")
    assert_refused(call("report", run.path), "audit.json")


def test_simulation_does_not_touch_somebody_elses_study(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    path = run.site_file("east")
    path.write_text(path.read_text().replace("simulated = true", "simulated = false"))
    before = run.study_file.read_text(), path.read_text()
    assert_refused(call("cohort", "simulate", run.path), str(path), "not simulated")
    assert (run.study_file.read_text(), path.read_text()) == before
    assert not list(run.path.glob("sites/*/data"))
