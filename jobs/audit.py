"""`fedsynth audit`: the release is attacked at every site; the verdict and its report."""

from __future__ import annotations

from typing import Any

from fl_components.cohort.cohort import Cohort
from fl_components.guard.declaration import audit_setting
from fl_components.guard.secure_sum import LEAST_SITES
from fl_components.server.release_manifest import release_digest, verify_release
from fl_components.study import Study
from jobs.again import run_again
from jobs.engine import Engine, Heartbeats, Job
from jobs.output import Talk
from jobs.report import report
from jobs.run_folder import RunFolder
from jobs.simulation import Simulator
from privacy_eval.errors import InputError


def audit(run: RunFolder, talk: Talk, engine: Engine | None = None) -> dict[str, Any]:
    """Audit the run's release at every site that trained its generator, and write the report.

    An audit needs all of them; a job in which one dies or is silent is submitted again, three times at most.

    Args:
        run: where everything is.
        talk: progress.
        engine: runs the job; NVFlare's simulator unless given.

    Raises:
        InputError: if the release is missing or was changed, or a cohort is not prepared.
        JobFailedError: if a site or the server failed.
    """
    study = run.study()
    engine = engine or Simulator(run)
    verify_release(run.release)
    job = Job("audit", study, _auditors(run, study))
    for site in engine.local_sites():
        if site.name in job.sites:
            Cohort.load(site, study)
    title = f"Auditing release {release_digest(run.release)[:12]} at {len(job.sites)} sites"
    with talk.stage(title) as advance, engine:
        run_again(engine, job, talk, lambda beats: advance(*_progress(job, beats)))
    return report(run, talk)


def _auditors(run: RunFolder, study: Study) -> tuple[str, ...]:
    sites = run.server.contributors(study)
    if audit_setting(study).summed and len(sites) < LEAST_SITES:
        raise InputError(f"{run.server.result_file('train')}: the generator has updates of {', '.join(sites)} alone, "
                         f"but an audit's counts leave as sums over at least {LEAST_SITES} sites; train anew with more "
                         "of the study's sites, or agree on a study of those that take part")
    return sites


def _progress(job: Job, beats: Heartbeats) -> tuple[float, str]:
    auditing = [beat for beat in beats.values() if beat.get("task") == "audit"]
    if not auditing:
        return 0.0, "sending the release"
    share = sum(beat["done"] / beat["steps"] for beat in auditing) / len(job.sites)
    attacking = any(beat["done"] >= beat["steps"] / 2 for beat in auditing)
    return share, "attacking" if attacking else "querying the generator"
