"""A pool that is stopped drops what it has not begun, and its workers can be terminated."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from jobs.workers import worker_pool


class StoppedError(Exception):
    pass


def leave_a_mark(folder: Path, number: int) -> None:
    time.sleep(0.2)
    (folder / str(number)).touch()


def signal_handler_of_worker() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def begin_and_stop(folder: Path, tasks: int) -> None:
    with worker_pool() as pool:
        for number in range(tasks):
            pool.submit(leave_a_mark, folder, number)
        raise StoppedError


def test_queue_is_dropped_when_the_command_stops(tmp_path: Path) -> None:
    tasks = 50 * (os.cpu_count() or 1)
    with pytest.raises(StoppedError):
        begin_and_stop(tmp_path, tasks)
    assert len(list(tmp_path.iterdir())) < tasks / 2


def test_a_worker_does_not_inherit_the_commands_handler() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with worker_pool() as pool:
            assert pool.submit(signal_handler_of_worker).result()
    finally:
        signal.signal(signal.SIGTERM, before)
