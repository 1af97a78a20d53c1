"""One command at a time in a run folder, and the end of what a killed one left running."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from answering import Answering
from small_run import write_run

from jobs.engine import Job, JobFailedError
from jobs.watch import MARKER
from poc_workspace.deployment import Deployment
from poc_workspace.engine import PocEngine, ProdEngine
from poc_workspace.running import Running
from poc_workspace.submission import Submission
from privacy_eval.errors import InputError

CONNECTED = {"status": "ok", "data": {"clients": [{"client_name": "east"}, {"client_name": "west"}]}}
NO_JOB = {"status": "ok", "data": []}


def listed(status: str) -> dict[str, Any]:
    return {"status": "ok", "data": [{"job_id": "left", "status": status}]}


def meta(status: str) -> dict[str, Any]:
    return {"status": "ok", "data": {"status": status}}


def make_engine(folder: Path, *answers: dict[str, Any] | Exception) -> tuple[ProdEngine, Answering, list[str]]:
    """An engine whose federation answers as told, what it asked, what it said."""
    kit = folder / "kit"
    (kit / "startup").mkdir(parents=True)
    (kit / "startup/fed_admin.json").write_text("{}")
    said: list[str] = []
    engine = ProdEngine(write_run(folder / "run", subjects=0), kit, said.append)
    engine.admin.nvflare = nvflare = Answering(folder, *answers)
    return engine, nvflare, said


def leave(engine: ProdEngine, token: str) -> None:
    """What a command that is killed after its submission leaves behind."""
    running = Running(engine.folder.path / "prod/running")
    running.write(token)
    running.release()


def short(asked: list[tuple[str, ...]]) -> list[str]:
    return [" ".join(words[:words.index("--startup-kit")]) for words in asked]


def test_a_word_is_left_to_the_next_one_and_two_do_not_have_it_at_once(tmp_path: Path) -> None:
    running = Running(tmp_path / "running")
    assert running.word == ""
    running.write("first")
    with pytest.raises(InputError, match=r"another command runs .*; wait until it has ended"):
        Running(tmp_path / "running")
    running.release()
    again = Running(tmp_path / "running")
    assert again.word == "first"
    again.write("")
    assert again.word == ""
    again.release()
    with (tmp_path / "running").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released when its owner is gone


def test_a_federation_of_this_machine_ends_what_an_earlier_one_left(tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    (run.path / "poc").mkdir()
    (run.path / "poc/running").write_text("earlier")
    for name in ("prepare", "start"):
        monkeypatch.setattr(Deployment, name, lambda self: None)
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: "earlier"})
    with PocEngine(run):
        assert child.wait(10) < 0
        assert len((run.path / "poc/running").read_text()) == 32
        with pytest.raises(InputError, match="another command runs"), PocEngine(run):
            pass


def test_the_job_that_a_killed_command_left_at_the_server_is_ended_and_no_other(tmp_path: Path) -> None:
    engine, nvflare, said = make_engine(tmp_path, CONNECTED, listed("RUNNING"), meta("RUNNING"), {"status": "ok"},
                                        meta("FINISHED:ABORTED"))
    leave(engine, "mine")
    with engine:
        assert short(nvflare.asked) == ["system status", "job list --submit-token mine", "job meta left",
                                        "job abort left --force", "job meta left"]
        assert not nvflare.answers
    assert len(said) == 1
    assert "job left of a command that was ended here" in said[0]
    assert (engine.folder.path / "prod/running").read_text() == ""


@pytest.mark.parametrize("answer", [NO_JOB, listed("FINISHED:COMPLETED")])
def test_what_was_never_begun_or_is_over_is_left_alone(tmp_path: Path, answer: dict[str, Any]) -> None:
    engine, nvflare, said = make_engine(tmp_path, CONNECTED, answer)
    leave(engine, "mine")
    with engine:
        assert short(nvflare.asked) == ["system status", "job list --submit-token mine"]
    assert not said


def test_without_a_killed_command_nobody_is_asked_about_jobs(tmp_path: Path) -> None:
    engine, nvflare, _ = make_engine(tmp_path, CONNECTED)
    with engine:
        assert short(nvflare.asked) == ["system status"]


def test_a_server_that_does_not_answer_leaves_the_word_for_the_next_command(tmp_path: Path) -> None:
    engine, _, _ = make_engine(tmp_path, CONNECTED, {"status": "error", "message": "no route"})
    leave(engine, "mine")
    with pytest.raises(JobFailedError, match="what became of an earlier job"), engine:
        pass
    again = Running(engine.folder.path / "prod/running")
    assert again.word == "mine"
    again.release()


def test_a_command_that_would_still_submit_is_ended_before_the_server_is_asked(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "--submit-token", "0a1b2c3d4e"])
    engine, _, _ = make_engine(tmp_path, CONNECTED, NO_JOB)
    leave(engine, "0a1b2c3d4e")
    with engine:
        assert child.wait(10) < 0


def test_the_token_is_written_down_before_the_submission_and_taken_back_after_the_job(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, nvflare, said = make_engine(tmp_path, CONNECTED, JobFailedError("hung"), JobFailedError("hung again"),
                                        listed("RUNNING"), meta("FINISHED:ABORTED"),
                                        {"status": "ok", "data": {"job_id": "next"}}, meta("FINISHED:COMPLETED"))
    monkeypatch.setattr(Submission, "_watch", lambda *rest: {"status": "done"})
    study = engine.folder.study()
    job = Job("train", study, tuple(study.sites), "0" * 32, 1)
    with engine:
        with pytest.raises(JobFailedError, match="hung again"):
            engine.run(job, lambda beats: None)
        token = (engine.folder.path / "prod/running").read_text()
        assert token in nvflare.asked[-1]
        assert engine.run(job, lambda beats: None) == {"status": "done"}
        assert nvflare.asked[3][:4] == ("job", "list", "--submit-token", token)  # it may have been obeyed
        assert token not in nvflare.asked[5]
        assert (engine.folder.path / "prod/running").read_text() == ""
    assert len(said) == 1
    with pytest.raises(RuntimeError, match="not entered"):
        engine.run(job, lambda beats: None)
