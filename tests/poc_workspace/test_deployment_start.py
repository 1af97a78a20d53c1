"""Parties that end before they are connected, without NVFlare."""

from __future__ import annotations

from pathlib import Path

import pytest
from answering import Answering
from small_run import write_run

from jobs.engine import JobFailedError
from poc_workspace import deployment as module
from poc_workspace.deployment import Deployment


class Frail:
    """A party whose first so many starts end at once."""

    fail: dict[str, int]

    def __init__(self, kit: Path, kind: str, environment: dict[str, str], log: Path, org: str) -> None:
        self.name, self.log, self.starts, self.started = log.stem, log, 0, 0.0

    def start(self) -> None:
        self.starts += 1

    @property
    def exit_code(self) -> int | None:
        return 101 if self.starts <= self.fail.get(self.name, 0) else None

    def end(self, job_id: str | None = None) -> None:
        self.starts = 99


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], **fail: int) -> Deployment:
    run = write_run(folder / "run", subjects=0)
    monkeypatch.setattr(Frail, "fail", fail, raising=False)
    monkeypatch.setattr(module, "Party", Frail)
    made = Deployment(run, run.sites(run.study()), "unused", said.append)
    made.nvflare = Answering(folder)

    def connected() -> dict:
        return {"status": "ok", "data": {"clients": [{"client_name": name} for name in ("east", "west")
                                                     if made.parties[name].exit_code is None]}}

    monkeypatch.setattr(made.nvflare, "ask", lambda *words: connected())
    return made


def test_a_site_that_ends_early_is_started_again_and_that_is_said(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    made = make(tmp_path, monkeypatch, said, east=2, west=1)
    made.start()
    assert {name: party.starts for name, party in made.parties.items()} == {"server": 1, "east": 3, "west": 2}
    assert len(said) == 3
    assert all("(exit code 101); it is started again" in line for line in said)
    assert [line.split(",")[1].split(";")[0] for line in said if "'east'" in line] == [" 2 of 3", " 3 of 3"]


def test_it_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with pytest.raises(JobFailedError, match=r"'east': its NVFlare process ended \(exit code 101\)") as caught:
        make(tmp_path, monkeypatch, said, east=99).start()
    assert caught.value.sites == ("east",)
    assert len(said) == 2
