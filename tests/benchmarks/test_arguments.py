from __future__ import annotations

import argparse

import pytest

from benchmarks.arguments import at_least_one, run_benchmark
from privacy_eval.errors import InputError


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "many", ""])
def test_a_number_that_counts_nothing_is_one_line_and_exit_code_2(text: str, monkeypatch: pytest.MonkeyPatch,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=at_least_one)
    monkeypatch.setattr("sys.argv", ["benchmark", f"--seeds={text}"])
    with pytest.raises(SystemExit) as stop:
        run_benchmark(parser, lambda arguments: 0)
    assert stop.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"--seeds: found {text!r}, expected a whole number of 1 or more" in error


def test_what_a_user_can_mend_is_one_line_and_exit_code_2(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: argparse.Namespace) -> int:
        raise InputError("runs/demo: no such run folder")

    monkeypatch.setattr("sys.argv", ["benchmark"])
    with pytest.raises(SystemExit) as stop:
        run_benchmark(argparse.ArgumentParser(), refuse)
    assert stop.value.code == 2
    assert "runs/demo: no such run folder" in capsys.readouterr().err.splitlines()[-1]


def test_a_number_is_taken_and_the_exit_code_is_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=at_least_one)
    monkeypatch.setattr("sys.argv", ["benchmark", "--seeds", "3"])
    assert run_benchmark(parser, lambda arguments: int(arguments.seeds)) == 3
