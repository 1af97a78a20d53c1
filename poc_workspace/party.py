"""One party of a federation on this machine: NVFlare's process for a kit, and the processes that it starts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import psutil

_MODULES: Final = {"server": "nvflare.private.fed.app.server.server_train",
                   "client": "nvflare.private.fed.app.client.client_train"}


class Party:
    """The server or a site.

    Args:
        kit: its startup kit, locked down.
        kind: which of the two.
        environment: of its process.
        log: where its process prints; each start appends.
        org: its organisation, as provisioned.
    """

    def __init__(self, kit: Path, kind: Literal["server", "client"], environment: Mapping[str, str], log: Path,
                 org: str) -> None:
        self.kit, self.kind, self.log = kit, kind, log
        self._environment, self._org = dict(environment), org
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        """When it was last started, on the monotonic clock, in seconds."""

    def start(self) -> None:
        """Start it, after an end to what an earlier start left behind."""
        self.end()
        name = () if self.kind == "server" else (f"uid={self.kit.name}",)
        # Not by the kit's start.sh: its shell loop would outlive whoever started it.
        command = [sys.executable, "-u", "-m", _MODULES[self.kind], "-m", str(self.kit), "-s",
                   f"fed_{self.kind}.json", "--set", "secure_train=true", f"org={self._org}", "config_folder=config",
                   *name]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, env=self._environment, cwd=self.kit, stdin=subprocess.DEVNULL,
                                             stdout=output, stderr=subprocess.STDOUT, process_group=0)
        self.started = time.monotonic()

    @property
    def exit_code(self) -> int | None:
        """How its process ended; None while it runs."""
        assert self._process is not None, "never started"
        return self._process.poll()

    def processes(self, job_id: str | None = None) -> list[psutil.Process]:
        """Its process and those of its jobs that are alive, or those of one job: all that name its kit, and the job,
        in their command line."""
        wanted = {str(self.kit)} if job_id is None else {str(self.kit), job_id}
        return [process for process in psutil.process_iter() if wanted <= command_line(process)]

    def end(self, job_id: str | None = None) -> None:
        """Kill all its processes, or those of one job, and wait until they are gone."""
        while left := self.processes(job_id):
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.05)
            if self._process is not None:
                self._process.poll()  # what is waited for is no zombie


def command_line(process: psutil.Process) -> set[str]:
    """The words of a process' command line; none if it is gone, dead but not buried, or somebody else's."""
    try:
        return set(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()
