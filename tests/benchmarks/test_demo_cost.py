from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.demo_cost import BETWEEN, MARKER, Stages, measure, memory_of

_TALK = """
import sys, time
from jobs.output import Talk
talk = Talk()
with talk.stage("Filling 64 MiB at 4 hospitals"):
    block = b"x" * (64 * 2**20)
    time.sleep(2.5)
del block
talk.say("  ok  north: subjects: found 4; expected 4")
with talk.stage("Resting"):
    time.sleep(1.5)
"""


def test_stages_take_their_seconds_and_peaks() -> None:
    stages = Stages(100.0)
    stages.line("Reading 4 scans …", 101.0)
    stages.sample(2**30)
    stages.sample(2**29)
    stages.line("  ok  north: subjects: found 4; expected 4 s", 103.0)
    stages.line("Reading 4 scans: 4 s", 105.0)
    stages.sample(2**28)
    stages.line("Writing …", 106.0)
    stages.sample(2**31)
    stages.line("Writing: 2 s", 108.0)
    assert stages.end(108.5) == [
        {"stage": "Reading 4 scans", "seconds": 4.0, "peak_gib": 1.0},
        {"stage": "Writing", "seconds": 2.0, "peak_gib": 2.0},
        {"stage": BETWEEN, "seconds": 2.5, "peak_gib": 0.25},
        {"stage": "total", "seconds": 8.5, "peak_gib": 2.0}]


def test_memory_counts_children_in_sessions_of_their_own() -> None:
    grandchild = "x = b'x' * (80 * 2**20); import sys; print('full', flush=True); sys.stdin.read()"
    child = ("import subprocess, sys; "
             f"subprocess.run([sys.executable, '-c', {grandchild!r}], start_new_session=True, check=True)")
    with subprocess.Popen([sys.executable, "-c", child], env={MARKER: "mine"}, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        size = memory_of("mine")
        assert memory_of("nobody's") == 0
        process.communicate("")
    assert 80 * 2**20 < size < 160 * 2**20
    assert memory_of("mine") == 0


def test_a_command_is_measured_by_its_talk(capfd: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    stages = {row["stage"]: row for row in measure([sys.executable, "-c", _TALK])}
    assert list(stages) == ["Filling 64 MiB at 4 hospitals", "Resting", BETWEEN, "total"]
    assert stages["Filling 64 MiB at 4 hospitals"]["peak_gib"] >= 64 / 1024
    assert 0 < stages["total"]["seconds"] <= time.monotonic() - started + 0.1
    assert "Resting …" in capfd.readouterr().err


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"])
