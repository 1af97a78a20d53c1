"""The heartbeat: which process works for a site and how far it is, in a file of the site's own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from fl_components.json_file import write_json

_EVERY_S: Final = 0.5


class Heartbeat:
    """Writes `<state>/heartbeat.json`: process, its parent, task, round, steps done of how many, precision, failure.

    Whoever runs the site's process (in a simulation, the command that started it) reads it for its progress bar and
    to see that the process lives. It never leaves the site.

    Args:
        state: the site's state folder.
        nvflare_job: NVFlare's identifier of the job, so that an earlier job's heartbeat is not taken for this one's.
    """

    def __init__(self, state: Path, nvflare_job: str | None = None) -> None:
        self.path = heartbeat_file(state)
        self._content: dict[str, Any] = {"pid": os.getpid(), "parent": os.getppid(), "nvflare_job": nvflare_job}
        self._written = 0.0

    def begin(self, task: str, round_number: int, steps: int) -> None:
        """A task starts."""
        self._write(task=task, round=round_number, done=0, steps=steps, failure=None)

    def step(self, done: int) -> None:
        """`done` steps of the task are over; written to disk at most twice a second."""
        if time.monotonic() - self._written > _EVERY_S or done == self._content.get("steps"):
            self._write(done=done)

    def end(self, **facts: str) -> None:
        """The task is answered; `facts` (such as the precision that ran) stay in the file."""
        self._write(done=self._content["steps"], **facts)

    def fail(self, message: str) -> None:
        """The task failed; the message stays at the site."""
        self._write(failure=" ".join(message.split()))  # one line

    def _write(self, **changes: object) -> None:
        self._content.update(changes)
        self._content["time"] = time.time()
        write_json(self.path, self._content)
        self._written = time.monotonic()


def heartbeat_file(state: Path) -> Path:
    """Where a site's heartbeat is."""
    return state / "heartbeat.json"
