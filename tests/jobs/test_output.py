from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from jobs.output import Talk


def quiet(talk: Talk, terminal: bool = False) -> io.StringIO:
    stream = io.StringIO()
    talk.console = Console(file=stream, force_terminal=terminal, width=120)
    return stream


def test_a_stage_says_its_quarters_and_its_seconds() -> None:
    talk = Talk()
    stream = quiet(talk)
    with talk.stage("Working") as advance:
        for done in range(1, 101):
            advance(done / 100, f"item {done}")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Working …"
    assert [line.split(",")[0] for line in lines[1:4]] == ["Working: 25%", "Working: 50%", "Working: 75%"]
    assert "left (item 50)" in lines[2]
    assert lines[4].startswith("Working: 0 s")
    assert set(talk.seconds) == {"Working"}


def test_a_terminal_gets_a_bar() -> None:
    talk = Talk()
    stream = quiet(talk, terminal=True)
    with talk.stage("Working") as advance:
        advance(0.5, "half")
    assert "Working" in stream.getvalue()
    assert "100%" in stream.getvalue()


def test_a_stage_that_fails_is_not_timed() -> None:
    talk = Talk()
    quiet(talk)
    with pytest.raises(RuntimeError, match="broken"), talk.stage("Working"):
        raise RuntimeError("broken")
    assert not talk.seconds


def test_results_are_lines_or_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    Talk().result({"a": 1, "b": "x"})
    assert capsys.readouterr().out == "a: 1\nb: x\n"
    Talk(as_json=True).result({"b": "x", "a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1, "b": "x"}
