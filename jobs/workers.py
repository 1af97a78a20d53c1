"""A pool of worker processes, one a core, that ends when the command does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def worker_pool() -> Iterator[Executor]:
    """Whatever stops the command, also SIGTERM or Ctrl-C, drops the work that has not begun instead of finishing it."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=_be_terminable) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _be_terminable() -> None:
    """A worker is forked with the command's own handler, which would only raise inside its task."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
