from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.engine import JobFailedError
from poc_workspace.admin import Admin
from poc_workspace.nvflare_command import Nvflare


class Answering(Nvflare):
    """Answers with what it is given, without NVFlare; an exception is raised."""

    def __init__(self, folder: Path, answer: dict[str, Any] | Exception) -> None:
        super().__init__(folder / "home", folder / "logs")
        self.answer = answer

    def ask(self, *words: str, timeout_s: float = 0) -> dict[str, Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_connected_names_the_clients(tmp_path: Path) -> None:
    clients = [{"client_name": "east"}, {"client_name": "west"}]
    admin = Admin(tmp_path, Answering(tmp_path, {"status": "ok", "data": {"clients": clients}}))
    assert admin.connected() == {"east", "west"}


@pytest.mark.parametrize("answer", [{"status": "error", "message": "no route"}, JobFailedError("hung for 60 s")])
def test_a_server_that_does_not_answer_is_asked_again_not_an_end(tmp_path: Path,
                                                                 answer: dict[str, Any] | Exception) -> None:
    assert Admin(tmp_path, Answering(tmp_path, answer)).connected() is None
