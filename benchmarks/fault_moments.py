"""Moments of a training, hit from outside: what is seen in files when they come, and what holds them while one strikes.

Two of them last milliseconds. They are held open by this benchmark alone: the server's process of the job is stopped
while a site writes its ledger and tries to send, or finds a named pipe that nobody reads where it is to write its
result, right after the checkpoint.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Final

from benchmarks.fault_training import SERVER, VICTIM, MissedError, Training, send
from jobs.resume import unfinished_rounds

Seen = Callable[[Training], bool]


def _summaries(training: Training) -> bool:
    return training.beat(VICTIM).get("task") == "summarise"


def _between(training: Training) -> bool:
    return training.rounds() == 1


def _steps(training: Training) -> bool:
    beat = training.beat(VICTIM)
    return beat.get("task") == "train" and beat["round"] == 1 and 0 < beat["done"] < beat["steps"]


def _recorded(training: Training) -> bool:
    return training.sent(VICTIM, 1)


def _checkpointed(training: Training) -> bool:
    return (unfinished_rounds(training.run) or 0) >= 2


SEEN: Final[Mapping[str, tuple[Seen, int]]] = MappingProxyType({
    "summaries": (_summaries, 0), "between rounds": (_between, 1), "local steps": (_steps, 1),
    "ledger written": (_recorded, 1), "checkpoint written": (_checkpointed, 2)})
"""By name, in the order in which they come, what is seen then, and how many rounds are on the server's disk: the
contrast summaries are asked for; the first round's result is written; the second round's steps run; its update is in
the site's ledger, and not at the server; its checkpoint is written, and its result is not."""


def at(name: str, training: Training) -> AbstractContextManager[None]:
    """Wait for a moment and hold it while inside.

    Raises:
        MissedError: if it did not come.
    """
    holders = {"ledger written": _server_stopped, "checkpoint written": _result_withheld}
    return holders.get(name, lambda training: _plain(name, training))(training)


@contextmanager
def _plain(name: str, training: Training) -> Iterator[None]:
    training.until(lambda: SEEN[name][0](training), name)
    yield


@contextmanager
def _server_stopped(training: Training) -> Iterator[None]:
    """What the site sends reaches nobody before the server goes on."""
    training.until(lambda: _steps(training), "local steps")
    servers = training.processes(SERVER, "job")
    send(servers, signal.SIGSTOP)
    try:
        training.until(lambda: _recorded(training), "ledger written")
        yield
    finally:
        send(servers, signal.SIGCONT)


@contextmanager
def _result_withheld(training: Training) -> Iterator[None]:
    training.until(lambda: _between(training), "between rounds")
    result = training.run.server.result_file("train")
    pipe = result.with_name(f".{result.name}.partial")
    os.mkfifo(pipe)
    try:
        training.until(lambda: _checkpointed(training), "checkpoint written")
        if training.rounds() > 1:
            raise MissedError("the result was written before it was withheld")
        yield
    finally:
        pipe.unlink()
