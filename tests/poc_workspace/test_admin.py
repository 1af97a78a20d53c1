from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.engine import JobFailedError
from poc_workspace.admin import Admin
from poc_workspace.nvflare_command import Nvflare


class Answering(Nvflare):
    """Answers with what it is given, without NVFlare; an exception is raised."""

    def __init__(self, folder: Path, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(folder / "home", folder / "logs")
        self.answers, self.asked = list(answers), list[tuple[str, ...]]()

    def ask(self, *words: str, timeout_s: float = 0) -> dict[str, Any]:
        self.asked.append(words)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


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
