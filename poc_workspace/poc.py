"""Running a job in NVFlare's POC: a provisioned deployment on one machine that is gone when the job is over."""

from __future__ import annotations

import shutil
import time
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fl_components.site import Site
from fl_components.study import Study
from jobs.run_folder import RunFolder
from jobs.watch import EndedEarlyError, Heartbeats, JobFailedError, Progress, forget, watch
from poc_workspace.deployment import Deployment

_START_S: Final = 120.0
"""How long NVFlare may take to schedule a job and to start its processes."""


def run_in_poc(job: str, run: RunFolder, study: Study, sites: Sequence[Site], on_progress: Progress) -> dict[str, Any]:
    """Run a job with the server and every site as parties of a real deployment, locked down (a `jobs.watch.Engine`).

    The same recipe as in the simulator is exported, submitted by an administrator and executed by processes that
    each party's own NVFlare process starts. What is believed is the server's result, not NVFlare's status.

    Raises:
        InputError: if the port is taken, or the run folder's path or a site's name cannot be used.
        JobFailedError: if a party died or refused, the job failed, or a deadline passed. No process is left behind,
            whether it returns or raises.
    """
    deployment = Deployment(run, sites, uuid.uuid4().hex)
    try:
        deployment.prepare()
        forget(job, run, sites)
        exported = export(job, study, deployment.folder / "jobs")
        deployment.start()
        return _run(deployment, exported, job, run, study, on_progress)
    finally:
        deployment.stop()


def export(job: str, study: Study, folder: Path) -> Path:
    """Write the recipe as a job folder that can be submitted anywhere, and return its path."""
    from nvflare.recipe.secrets import PotentialSecretWarning

    from jobs.recipes import FedsynthRecipe

    name = f"{study.name}-{job}"
    shutil.rmtree(folder / name, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PotentialSecretWarning)  # the study's hash looks like one, and is public
        FedsynthRecipe("train" if job == "train" else "audit", study).export(str(folder))
    return folder / name


def _run(deployment: Deployment, exported: Path, job: str, run: RunFolder, study: Study,
         on_progress: Progress) -> dict[str, Any]:
    tasks = 1 + study.training.rounds if job == "train" else 1
    limit = _START_S + tasks * study.federation.round_timeout_s
    deadline = time.monotonic() + limit

    def check(beats: Heartbeats) -> None:
        deployment.require_alive()
        if time.monotonic() > deadline:
            raise JobFailedError(f"{job}: not done after {limit:.0f} s; logs: {log.parent}")
        on_progress(beats)

    job_id = deployment.submit(exported)
    process, log = deployment.wait(job_id)
    try:
        return watch(process, "NVFlare's job", job, run, deployment.sites, log, check)
    except EndedEarlyError:
        raise JobFailedError(f"{job}: {deployment.explain(job_id)}; logs: {log.parent}") from None
