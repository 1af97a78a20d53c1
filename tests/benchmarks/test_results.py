from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.results import machine, quartiles, read_result, write_result
from privacy_eval.errors import InputError


def test_a_result_says_what_was_measured_on_how_many_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/speed.py", "runs/my demo"])
    path = write_result("speed", {"seconds": 0.5}, 7, study_hash="ab", simulated=True, folder=tmp_path)
    content = json.loads(path.read_text())
    assert path == tmp_path / "speed.json"
    assert content == read_result("speed", tmp_path)
    assert content["command"] == "python -m benchmarks.speed 'runs/my demo'"
    assert (content["name"], content["n"], content["figures"]) == ("speed", 7, {"seconds": 0.5})
    assert content["simulated"] is True
    assert content["study_hash"] == "ab"
    other = write_result("speed_sim", {}, 1, folder=tmp_path, module="speed")
    assert json.loads(other.read_text())["command"] == content["command"]
    assert content["machine"] == machine()


def test_no_study_no_hash(tmp_path: Path) -> None:
    write_result("speed", {"seconds": 1}, {"repeats": 3}, folder=tmp_path)
    assert "study_hash" not in read_result("speed", tmp_path)
    assert read_result("speed", tmp_path)["n"] == {"repeats": 3}


def test_the_machine_is_described() -> None:
    found = machine()
    assert set(found) == {"cpu", "cores", "memory_gib", "gpu", "torch", "threads"}
    assert found["cpu"]
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"speed\.json"):
        read_result("speed", tmp_path)


def test_repeats_are_summed_up_by_their_median() -> None:
    assert quartiles([5.0, 1.0, 2.0, 3.0, 4.0]) == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert quartiles([2.0]) == {"median": 2.0, "low": 2.0, "high": 2.0}
