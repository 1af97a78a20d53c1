from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from answering import Answering

from jobs.engine import JobFailedError
from poc_workspace.admin import Admin


def test_connected_names_the_clients(tmp_path: Path) -> None:
    clients = [{"client_name": "east"}, {"client_name": "west"}]
    admin = Admin(tmp_path, Answering(tmp_path, {"status": "ok", "data": {"clients": clients}}))
    assert admin.connected() == {"east", "west"}


@pytest.mark.parametrize("answer", [{"status": "error", "message": "no route"}, JobFailedError("hung for 60 s")])
def test_a_server_that_does_not_answer_is_asked_again_not_an_end(tmp_path: Path,
                                                                 answer: dict[str, Any] | Exception) -> None:
    assert Admin(tmp_path, Answering(tmp_path, answer)).connected() is None


def test_a_submission_that_hung_is_repeated_with_the_same_token(tmp_path: Path) -> None:
    nvflare = Answering(tmp_path, JobFailedError("hung for 150 s"), {"status": "ok", "data": {"job_id": "one"}})
    assert Admin(tmp_path, nvflare).submit(tmp_path / "job") == "one"
    first, second = nvflare.asked
    assert first == second
    assert first[first.index("--submit-token") + 1]
    other = Answering(tmp_path, {"status": "ok", "data": {"job_id": "two"}})
    Admin(tmp_path, other).submit(tmp_path / "job")
    assert other.asked[0] != first  # another job, although it looks the same


def test_a_submission_that_hangs_twice_or_is_refused_is_an_error(tmp_path: Path) -> None:
    hung = JobFailedError("hung for 150 s")
    with pytest.raises(JobFailedError, match="hung"):
        Admin(tmp_path, Answering(tmp_path, hung, hung)).submit(tmp_path / "job")
    with pytest.raises(JobFailedError, match="the server refused the job: no right"):
        Admin(tmp_path, Answering(tmp_path, {"status": "error", "message": "no right"})).submit(tmp_path / "job")


@pytest.mark.parametrize(("answer", "found"), [
    ({"status": "ok", "data": []}, None),
    ({"status": "ok", "data": [{"job_id": "one", "status": "RUNNING"}]}, "one"),
    ({"status": "ok", "data": [{"job_id": "one", "status": "SUBMITTED"}]}, "one"),
    ({"status": "ok", "data": [{"job_id": "one", "status": "FINISHED:ABORTED"}]}, None),
    ({"status": "error", "error_code": "SUBMIT_TOKEN_JOB_DELETED", "message": "deleted"}, None)])
def test_an_unfinished_job_is_found_by_its_token_alone(tmp_path: Path, answer: dict[str, Any],
                                                       found: str | None) -> None:
    nvflare = Answering(tmp_path, answer)
    assert Admin(tmp_path, nvflare).unfinished("mine") == found
    assert nvflare.asked == [("job", "list", "--submit-token", "mine", "--startup-kit", str(tmp_path))]


def test_a_server_that_cannot_say_what_became_of_a_job_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match="does not say what became of an earlier job: no route"):
        Admin(tmp_path, Answering(tmp_path, {"status": "error", "message": "no route"})).unfinished("mine")
