"""The `nvflare` command, with a home of its own: no deployment the user has elsewhere is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jobs.engine import JobFailedError

_TIMEOUT_S: Final = 150.0
"""A command takes 3 s on an idle machine. One that is given up may yet be obeyed: better to wait."""


class Nvflare:
    """NVFlare's command line.

    Args:
        home: `HOME` of the commands, where NVFlare keeps settings of its own; made if it is not there.
        logs: where each command leaves what it said, in a file of its name.
        environment: of the commands; this process' own if None.
    """

    def __init__(self, home: Path, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        self.logs = logs
        for folder in (home, logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._environment = {**(os.environ if environment is None else environment), "HOME": str(home)}

    def start(self, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a command whose last line will be one JSON object, and say where it writes."""
        return self._start("--format", "json", *words, name=words[1])

    def ask(self, *words: str, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """Run a command and return its answer: "status" is "ok" and "data" there, or "message" says why not.

        Raises:
            JobFailedError: if it hangs or answers nothing that can be read.
        """
        process, log = self.start(*words)
        _finish(process, f"'nvflare {words[0]} {words[1]}'", log, timeout_s)
        return answer(log)

    def run(self, *words: str, timeout_s: float = _TIMEOUT_S) -> None:
        """Run a command that answers in its exit code.

        Raises:
            JobFailedError: if it hangs or fails.
        """
        process, log = self._start(*words, name=words[0])
        if _finish(process, f"'nvflare {words[0]}'", log, timeout_s):
            raise JobFailedError(f"'nvflare {words[0]}' failed; log: {log}")

    def _start(self, *words: str, name: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            return subprocess.Popen([sys.executable, "-m", "nvflare.cli", *words], env=self._environment,
                                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                    process_group=0), log


def answer(log: Path) -> dict[str, Any]:
    """The JSON object that a command wrote as its last line.

    Raises:
        JobFailedError: if there is none.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    try:
        return dict(json.loads(lines[-1]))
    except ValueError:
        raise JobFailedError(f"NVFlare answered nothing that can be read; log: {log}") from None


def _finish(process: subprocess.Popen[bytes], name: str, log: Path, timeout_s: float) -> int:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise JobFailedError(f"{name} hung for {timeout_s:.0f} s; log: {log}") from None
