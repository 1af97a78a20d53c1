"""The engines of a real federation: one that is made on this machine for a run, one that hospitals have built."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

from fl_components.site import Site
from jobs.engine import Job, JobFailedError, Progress
from jobs.run_folder import RunFolder
from jobs.watch import end_all
from poc_workspace.admin import Admin
from poc_workspace.deployment import Deployment
from poc_workspace.nvflare_command import Nvflare
from poc_workspace.party import command_line
from poc_workspace.running import Running
from poc_workspace.submission import Submission
from privacy_eval.errors import InputError

_FAREWELL_S: Final = 60.0


class PocEngine:
    """A provisioned, locked-down federation on this machine: server and sites of their own, mutual TLS on loopback.

    Its parties stay up over several jobs; entering it again inside is the same federation. Kits, keys and logs are
    below `<run>/poc`, made anew each time. Nothing is left running, also of an earlier one that was killed.

    Args:
        run: the run folder; its study names the sites, whose settings must be in it.
        say: told what is done beyond the plain way, a line each.
    """

    def __init__(self, run: RunFolder, say: Callable[[str], None] = lambda line: None) -> None:
        self.folder, self._say = run, say
        self._depth = 0
        self._deployment: Deployment | None = None
        self._running: Running | None = None

    def __enter__(self) -> Self:
        """See `Engine`."""
        self._depth += 1
        if self._depth == 1:
            try:
                self._start()
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """See `Engine`."""
        self._depth -= 1
        if self._depth == 0:
            self._stop()

    def local_sites(self) -> list[Site]:
        """See `Engine`."""
        return self.folder.sites(self.folder.study())

    def present(self) -> frozenset[str] | None:
        """See `Engine`."""
        return self.deployment.revive()

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        """See `Engine`."""
        deployment = self.deployment
        if deployment.dead():
            deployment.revive()
        sites = [site for site in deployment.sites if site.name in job.sites]
        submission = Submission(deployment.admin, self.folder, deployment.folder / "jobs", deployment.require_server)
        return submission.run(job, sites, on_progress, deployment.clear)

    @property
    def deployment(self) -> Deployment:
        """The running federation."""
        if self._deployment is None:
            raise RuntimeError("the engine is not entered")
        return self._deployment

    def _start(self) -> None:
        marker = uuid.uuid4().hex
        self._deployment = Deployment(self.folder, self.local_sites(), marker, self._say)
        self._running = Running(self._deployment.folder / "running")
        if earlier := self._running.word:
            end_all(earlier)
        self._running.write(marker)
        self._deployment.prepare()
        self._deployment.start()

    def _stop(self) -> None:
        self._depth = 0
        if self._running is not None:
            self.deployment.stop()
            self._running.release()
        self._deployment = self._running = None


class ProdEngine:
    """A federation that others run: jobs are submitted to it, nothing of it is started or stopped.

    For the consortium's lead, on the server's machine: results are read from the run folder that the server's process
    was started with (`FEDSYNTH_RUN`). A command that was killed leaves its job running at the server: the next one in
    the same run folder, with the same kit, ends that job before anything else. Other jobs are never touched.

    Args:
        run: that run folder.
        kit: startup kit of somebody who may submit jobs.
        say: told what is done beyond the plain way, a line each.

    Raises:
        InputError: if there is no such kit.
    """

    def __init__(self, run: RunFolder, kit: Path, say: Callable[[str], None] = lambda line: None) -> None:
        if not (kit / "startup" / "fed_admin.json").is_file():
            raise InputError(f"--kit {kit}: no startup kit of an administrator (it lacks startup/fed_admin.json); name "
                             "the one that the consortium's lead got")
        self.folder, self._say = run, say
        self._work = run.path.resolve() / "prod"
        self.admin = Admin(kit.resolve(), Nvflare(self._work / "home", self._work / "logs"))
        self._running: Running | None = None

    def __enter__(self) -> Self:
        """See `Engine`; says early that the server cannot be reached, and ends what a killed command left there."""
        self._running = Running(self._work / "running")
        try:
            if self.admin.connected() is None:
                raise JobFailedError(f"the server does not answer; log: {self.admin.nvflare.logs / 'status.log'}")
            self._end_left(self._running)
        except BaseException:
            self._running.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """See `Engine`; nothing was started."""
        if self._running is not None:
            self._running.release()
        self._running = None

    def local_sites(self) -> list[Site]:
        """See `Engine`; none, wherever they are."""
        return []

    def present(self) -> frozenset[str] | None:
        """See `Engine`; none where the server does not answer."""
        return self.admin.connected() or frozenset()

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        """See `Engine`."""
        running = self._running
        if running is None:
            raise RuntimeError("the engine is not entered")

        def clear(job_id: str) -> None:
            self.admin.end(job_id, _FAREWELL_S)
            running.write("")

        self._end_left(running)
        submission = Submission(self.admin, self.folder, self._work / "jobs", lambda: None, running.write)
        return submission.run(job, [], on_progress, clear)

    def _end_left(self, running: Running) -> None:
        """End the job whose submission was the last thing written down, unless it is over."""
        token = running.word
        if not token:
            return
        for process in psutil.process_iter():
            if token in command_line(process):  # a command of NVFlare's that outlived ours may yet submit it
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        if job_id := self.admin.unfinished(token):
            self._say(f"The server still runs job {job_id} of a command that was ended here; it is ended first")
            self.admin.end(job_id, _FAREWELL_S)
        running.write("")
