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
from fl_components.server.home import ServerHome
from jobs.engine import JobFailedError, JobRefusedError
from jobs.run_folder import RunFolder
from jobs.watch import EndedEarlyError, forget, watch


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", subjects=0)


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def beat(run: RunFolder, site: str, pid: int, failure: str | None = None, nvflare_job: str | None = None,
         parent: int | None = None) -> None:
    path = heartbeat_file(run.site_folder(site) / "state")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"pid": pid, "task": "train", "done": 1, "steps": 2, "failure": failure,
                      "nvflare_job": nvflare_job, "parent": parent or os.getpid()})


def failed(run: RunFolder) -> JobFailedError:
    """What is raised of a job whose own process still lives."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(JobFailedError) as error:
            watch(process, "the simulator", "train", run, run.sites(run.study()), Path("train.log"), lambda beats: None)
    finally:
        process.kill()
        process.wait()
    return error.value


def watched(run: RunFolder) -> str:
    return str(failed(run))


def test_a_dead_process_is_named(run: RunFolder) -> None:
    beat(run, "east", os.getpid())
    beat(run, "west", dead_pid())
    error = failed(run)
    assert str(error) == "site 'west': its process died during 'train'; log: train.log"
    assert error.sites == ("west",)
    assert not isinstance(error, JobRefusedError)


def test_no_site_is_to_blame_if_the_process_died_that_started_all(run: RunFolder) -> None:
    gone = dead_pid()
    beat(run, "east", os.getpid(), parent=gone)
    beat(run, "west", dead_pid(), parent=gone)
    assert failed(run).sites == ()
    beat(run, "east", os.getpid())  # each site has its own, as in a deployment
    assert failed(run).sites == ("west",)


def test_the_servers_reason_comes_before_the_processes_it_ended(run: RunFolder) -> None:
    beat(run, "east", dead_pid())
    run.server.write_failure("train", RuntimeError("no usable answer from site(s) west"))
    assert watched(run) == "train: no usable answer from site(s) west"


def test_a_sites_own_words_come_before_the_servers(run: RunFolder) -> None:
    beat(run, "west", dead_pid(), failure="disk full")
    run.server.write_failure("train", RuntimeError("no usable answer from site(s) west"))
    error = failed(run)
    assert str(error) == "site 'west': disk full"
    assert isinstance(error, JobRefusedError)  # before any round: another try would end the same


def test_once_a_round_is_done_the_server_goes_on_without_a_failed_site(run: RunFolder) -> None:
    beat(run, "east", os.getpid(), failure="disk full")
    beat(run, "west", dead_pid())
    run.server.write_result("train", "running", rounds=1)
    assert watched(run).startswith("site 'west': its process died")
    run.server.write_failure("train", RuntimeError("too few"), ["east"])
    error = failed(run)
    assert (str(error), error.sites) == ("site 'east': disk full", ("east",))
    assert not isinstance(error, JobRefusedError)


def test_a_failure_for_want_of_answers_names_who_did_not_give_them(run: RunFolder) -> None:
    run.server.write_failure("train", RuntimeError("too few"), ["west"])
    assert failed(run).sites == ("west",)
    run.server.write_failure("train", RuntimeError("no checkpoint can be written"))
    assert isinstance(failed(run), JobRefusedError)


def test_an_engine_that_ends_without_a_result_is_told_apart(run: RunFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    process.wait()
    with pytest.raises(EndedEarlyError, match=r"the simulator ended early \(exit code 7\)"):
        watch(process, "the simulator", "train", run, run.sites(run.study()), Path("train.log"), lambda beats: None)


@pytest.mark.parametrize("status", ["done", "paused"])
def test_a_result_that_is_over_is_returned(run: RunFolder, status: str) -> None:
    run.server.write_result("train", status, rounds=3)
    process = subprocess.Popen([sys.executable, "-c", ""])
    assert watch(process, "the simulator", "train", run, [], Path("train.log"), lambda beats: None)["rounds"] == 3


def test_results_and_heartbeats_of_another_job_are_not_believed(run: RunFolder) -> None:
    ServerHome(run.path, "old").write_result("train", "done", rounds=3)
    beat(run, "west", dead_pid(), nvflare_job="old")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    seen: list[object] = []
    with pytest.raises(EndedEarlyError):
        watch(process, "NVFlare's job", "train", run, run.sites(run.study()), Path("train.log"), seen.append, "new")
    assert not any(seen)


def test_what_an_earlier_job_left_is_forgotten(run: RunFolder) -> None:
    run.server.write_result("train", "done", rounds=3)
    beat(run, "west", dead_pid())
    sites = run.sites(run.study())
    forget("train", run, sites)
    assert not run.server.result_file("train").exists()
    assert not any(heartbeat_file(site.state).exists() for site in sites)
