"""The `nvflare` command, with a home of its own: no deployment the user has elsewhere is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.watch import JobFailedError


class Nvflare:
    """NVFlare's command line for one deployment.

    Args:
        folder: where its home and its deployment are.
        environment: of its processes; `HOME` and the deployment's place are set here.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.deployment = folder / "deployment"
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {**environment, "HOME": str(home), "NVFLARE_POC_WORKSPACE": str(self.deployment)}

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a command that writes one JSON object into `log`."""
        with log.open("wb") as output:
            return subprocess.Popen([sys.executable, "-m", "nvflare.cli", "--format", "json", *words],
                                    env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                                    stderr=subprocess.STDOUT, process_group=0)

    def ask(self, *words: str, log: Path, timeout_s: float = 60) -> dict[str, Any]:
        """Run a command and return its answer: "status" is "ok" and "data" there, or "message" says why not.

        Raises:
            JobFailedError: if it hangs or answers nothing that can be read.
        """
        process = self.start(*words, log=log)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise JobFailedError(f"'nvflare {words[0]} {words[1]}' hung for {timeout_s:.0f} s; log: {log}") from None
        return answer(log)


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
