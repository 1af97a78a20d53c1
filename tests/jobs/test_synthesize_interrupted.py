from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_run import write_run, write_untrained

from fl_components.server.release_manifest import release_digest
from jobs.output import Talk
from jobs.synthesize import synthesize

COUNT = 16


def started(run: Path) -> subprocess.Popen[str]:
    """The command, leading a group of its own, as a shell starts it; with the tests' one thread, for equal sums."""
    program = str(Path(sys.executable).with_name("fedsynth"))
    return subprocess.Popen([program, "synthesize", str(run), "-n", str(COUNT)], text=True, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, process_group=0, env=os.environ | {"OMP_NUM_THREADS": "1"})


@pytest.fixture
def hearing() -> Iterator[None]:
    """A shell's background job is deaf to SIGINT, and would hand that down to the command."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hearing")
def test_ctrl_c_ends_command_and_workers_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """A terminal sends SIGINT to everybody in the group, not to the command alone."""
    run = write_run(tmp_path / "run", subjects=1)
    write_untrained(run)
    partial = run.release.with_name(f".{run.release.name}.partial")
    with started(run.path) as process:
        while len(list(partial.glob("sub-*"))) < 2:
            assert process.poll() is None, "ended before it was interrupted"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert not run.release.exists()
    made = len(list(partial.glob("sub-*")))
    assert 2 <= made < COUNT
    first = min(partial.rglob("*_T1w.nii.gz")).stat().st_mtime_ns
    with started(run.path) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert min(run.release.rglob("*_T1w.nii.gz")).stat().st_mtime_ns == first  # not made again
    whole = write_run(tmp_path / "whole", subjects=1)
    write_untrained(whole)
    made_at_once = synthesize(whole, Talk(), count=COUNT)
    assert release_digest(run.release) == made_at_once["digest"]
