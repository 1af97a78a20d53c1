"""What the watch says when several things are wrong at once: the cause, not what it brought about."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import write_run

from fl_components.client.heartbeat import heartbeat_file
from fl_components.json_file import write_json
from jobs.run_folder import RunFolder
from jobs.watch import EndedEarlyError, JobFailedError, watch


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run")


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def beat(run: RunFolder, site: str, pid: int, failure: str | None = None) -> None:
    path = heartbeat_file(run.site_folder(site) / "state")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"pid": pid, "task": "train", "done": 1, "steps": 2, "failure": failure})


def watched(run: RunFolder) -> str:
    """What is raised of a job whose own process still lives."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(JobFailedError) as error:
            watch(process, "the simulator", "train", run, run.sites(run.study()), Path("train.log"), lambda beats: None)
    finally:
        process.kill()
        process.wait()
    return str(error.value)


def test_a_dead_process_is_named(run: RunFolder) -> None:
    beat(run, "east", os.getpid())
    beat(run, "west", dead_pid())
    assert watched(run) == "site 'west': its process died during 'train'; log: train.log"


def test_the_servers_reason_comes_before_the_processes_it_ended(run: RunFolder) -> None:
    beat(run, "east", dead_pid())
    run.server.write_failure("train", RuntimeError("no usable answer from site(s) west"))
    assert watched(run) == "train: no usable answer from site(s) west"


def test_a_sites_own_words_come_before_the_servers(run: RunFolder) -> None:
    beat(run, "west", dead_pid(), failure="disk full")
    run.server.write_failure("train", RuntimeError("no usable answer from site(s) west"))
    assert watched(run) == "site 'west': disk full"


def test_an_engine_that_ends_without_a_result_is_told_apart(run: RunFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    process.wait()
    with pytest.raises(EndedEarlyError, match=r"the simulator ended early \(exit code 7\)"):
        watch(process, "the simulator", "train", run, run.sites(run.study()), Path("train.log"), lambda beats: None)


def test_a_result_that_is_done_is_returned(run: RunFolder) -> None:
    run.server.write_result("train", "done", rounds=3)
    process = subprocess.Popen([sys.executable, "-c", ""])
    sites = run.sites(run.study())
    assert watch(process, "the simulator", "train", run, sites, Path("train.log"), lambda beats: None)["rounds"] == 3
