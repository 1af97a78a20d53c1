"""A job in a running federation: exported, submitted by its administrator, watched until the server's own result."""

from __future__ import annotations

import shutil
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from fl_components.site import Site
from jobs.engine import Heartbeats, Job, JobFailedError, JobRefusedError, Progress
from jobs.run_folder import RunFolder
from jobs.watch import EndedEarlyError, forget, watch
from poc_workspace.admin import Admin, refusals

START_S: Final = 300.0
"""How long NVFlare may take to schedule a job and to start its processes."""


def export(job: Job, folder: Path) -> Path:
    """Write the recipe as a job folder that can be submitted anywhere, and return its path."""
    from nvflare.recipe.secrets import PotentialSecretWarning

    from jobs.recipes import FedsynthRecipe

    path = folder / f"{job.study.name}-{job.name}"
    shutil.rmtree(path, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PotentialSecretWarning)  # the study's hash looks like one, and is public
        FedsynthRecipe(job).export(str(folder))
    return path


class Submission:
    """Submits jobs to one federation, one at a time.

    Args:
        admin: with the kit of somebody who may submit.
        run: the run folder that the server's process was started with.
        jobs: where jobs are exported to.
        check: called a few times a second while a job runs; raises if it cannot end well.
        announce: called before a job is submitted with the token by which its administrator finds it again.
    """

    def __init__(self, admin: Admin, run: RunFolder, jobs: Path, check: Callable[[], None],
                 announce: Callable[[str], None] = lambda token: None) -> None:
        self.admin, self.folder, self.jobs, self.check, self.announce = admin, run, jobs, check, announce
        self._logs = admin.nvflare.logs

    def run(self, job: Job, sites: Sequence[Site], on_progress: Progress, clear: Callable[[str], None]
            ) -> dict[str, Any]:
        """Run one job and return its result (`jobs.engine.Engine.run`).

        Args:
            job: the job.
            sites: those of its sites that are on this machine.
            on_progress: called with their heartbeats.
            clear: called with NVFlare's identifier when the job is over, however it ended.
        """
        forget(job.name, self.folder, sites)
        token = uuid.uuid4().hex
        exported = export(job, self.jobs)
        self.announce(token)
        job_id = self.admin.submit(exported, token)
        try:
            return self._watch(job, job_id, sites, on_progress)
        except EndedEarlyError:
            raise self._explained(job, job_id) from None
        finally:
            clear(job_id)

    def _watch(self, job: Job, job_id: str, sites: Sequence[Site], on_progress: Progress) -> dict[str, Any]:
        process, log = self.admin.wait(job_id)
        started = time.monotonic()
        limit = START_S + job.questions * job.study.federation.round_timeout_s

        def check(beats: Heartbeats) -> None:
            self.check()
            waited = time.monotonic() - started
            if waited > limit:
                raise JobFailedError(f"{job.name}: not done after {limit:.0f} s; logs: {self._logs}")
            if waited > START_S and not self._begun(job, job_id):
                raise self._not_begun(job)
            on_progress(beats)

        try:
            return watch(process, "NVFlare's job", job.name, self.folder, sites, log, check, job_id)
        finally:
            process.kill()
            process.wait()

    def _begun(self, job: Job, job_id: str) -> bool:
        server = self.folder.server
        return server.result_file(job.name).exists() and server.result(job.name)["nvflare_job"] == job_id

    def _not_begun(self, job: Job) -> JobFailedError:
        connected = self.admin.connected() or frozenset()
        absent = [site for site in job.sites if site not in connected]
        where = f"not connected: {', '.join(absent)}" if absent else (
            f"all its sites are connected; was the server's process started with this run folder, {self.folder.path}?")
        return JobFailedError(f"{job.name}: not begun after {START_S:.0f} s; {where}; logs: {self._logs}", absent)

    def _explained(self, job: Job, job_id: str) -> JobFailedError:
        """Why a job ended without a result, as far as NVFlare's server knows."""
        meta = self.admin.meta(job_id)
        if refused := refusals(meta):
            words = "; ".join(f"{site}: {reason}" for site, reason in refused.items())
            return JobRefusedError(f"{job.name}: {words}; logs: {self._logs}", tuple(refused))
        status = meta.get("status", "unknown: the server does not answer")
        return JobFailedError(f"{job.name}: NVFlare ended the job as {status}; logs: {self._logs}")
