"""The engines of a real federation: one that is made on this machine for a run, one that hospitals have built."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fl_components.site import Site
from jobs.engine import Job, JobFailedError, Progress
from jobs.run_folder import RunFolder
from jobs.watch import end_all
from poc_workspace.admin import Admin
from poc_workspace.deployment import Deployment
from poc_workspace.nvflare_command import Nvflare
from poc_workspace.submission import Submission
from privacy_eval.errors import InputError

_FAREWELL_S: Final = 60.0


class PocEngine:
    """A provisioned, locked-down federation on this machine: server and sites of their own, mutual TLS on loopback.

    Its parties stay up over several jobs; entering it again inside is the same federation. Kits, keys and logs are
    below `<run>/poc`, made anew each time. Nothing is left running, also of an earlier one that was killed.

    Args:
        run: the run folder; its study names the sites, whose settings must be in it.
    """

    def __init__(self, run: RunFolder) -> None:
        self.folder = run
        self._depth = 0
        self._deployment: Deployment | None = None
        self._lock: int | None = None

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
        self._deployment = Deployment(self.folder, self.local_sites(), marker)
        self._lock = _take(self._deployment.folder / "running", marker)
        self._deployment.prepare()
        self._deployment.start()

    def _stop(self) -> None:
        self._depth = 0
        if self._deployment is not None and self._lock is not None:
            self._deployment.stop()
        if self._lock is not None:
            os.close(self._lock)
        self._deployment = self._lock = None


def _take(path: Path, marker: str) -> int:
    """Lock a run folder's federation, end what is left of an earlier one, and leave one's own mark."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InputError(f"{path.parent}: another command runs this run folder's federation; wait until it has "
                         "ended, or end it") from None
    if earlier := os.pread(lock, 64, 0).decode():
        end_all(earlier)
    os.ftruncate(lock, 0)
    os.pwrite(lock, marker.encode(), 0)
    return lock


class ProdEngine:
    """A federation that others run: jobs are submitted to it, nothing of it is started or stopped.

    For the consortium's lead, on the server's machine: results are read from the run folder that the server's process
    was started with (`FEDSYNTH_RUN`).

    Args:
        run: that run folder.
        kit: startup kit of somebody who may submit jobs.

    Raises:
        InputError: if there is no such kit.
    """

    def __init__(self, run: RunFolder, kit: Path) -> None:
        if not (kit / "startup" / "fed_admin.json").is_file():
            raise InputError(f"--kit {kit}: no startup kit of an administrator (it lacks startup/fed_admin.json); name "
                             "the one that the consortium's lead got")
        self.folder = run
        work = run.path.resolve() / "prod"
        self.admin = Admin(kit.resolve(), Nvflare(work / "home", work / "logs"))
        self._submission = Submission(self.admin, run, work / "jobs", lambda: None)

    def __enter__(self) -> Self:
        """See `Engine`; says early that the server cannot be reached."""
        if self.admin.connected() is None:
            raise JobFailedError(f"the server does not answer; log: {self.admin.nvflare.logs / 'status.log'}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """See `Engine`; nothing was started."""

    def local_sites(self) -> list[Site]:
        """See `Engine`; none, wherever they are."""
        return []

    def present(self) -> frozenset[str] | None:
        """See `Engine`; none where the server does not answer."""
        return self.admin.connected() or frozenset()

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        """See `Engine`."""
        return self._submission.run(job, [], on_progress, lambda job_id: self.admin.end(job_id, _FAREWELL_S))
