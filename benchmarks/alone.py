"""Seconds and memory of a piece of work in a process of its own."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Wall seconds of each repeat; `mib`: what the process held at its peak beyond what it held before."""

    seconds: list[float]
    mib: float


def cost_of(prepare: Callable[..., Callable[[], object]], *arguments: object, repeats: int = 1,
            warm_up: int = 0) -> Cost:
    """Measure `prepare(*arguments)()` in a new process, which starts without anything that this one holds.

    Args:
        prepare: a function of a module, so that another process can be told of it; what it does and returns (networks,
            inputs) counts as held before.
        arguments: its arguments, which can be pickled.
        repeats: counted calls.
        warm_up: calls before them, which choose kernels.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, prepare, arguments, repeats, warm_up).result()


def _measure(prepare: Callable[..., Callable[[], object]], arguments: tuple[object, ...], repeats: int,
             warm_up: int) -> Cost:
    work = prepare(*arguments)
    before = _peak_mib()
    seconds = []
    for repeat in range(-warm_up, repeats):
        started = time.perf_counter()
        work()
        if repeat >= 0:
            seconds.append(time.perf_counter() - started)
    return Cost(seconds, _peak_mib() - before)


def _peak_mib() -> float:
    """Of this program alone: what `getrusage` tells goes on from the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
