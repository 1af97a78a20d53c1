"""`fedsynth audit`: the release is attacked at every site; the verdict and its report."""

from __future__ import annotations

from typing import Any

from fl_components.cohort.cohort import Cohort
from fl_components.server.release_manifest import release_digest, verify_release
from fl_components.study import Study
from jobs.output import Talk
from jobs.report import report
from jobs.run_folder import RunFolder
from jobs.simulation import run_in_simulator
from jobs.watch import Engine, Heartbeats


def audit(run: RunFolder, talk: Talk, engine: Engine = run_in_simulator) -> dict[str, Any]:
    """Audit the run's release at all its sites, in the simulator unless told otherwise, and write the report.

    Raises:
        InputError: if the release is missing or was changed, or a cohort is not prepared.
        JobFailedError: if a site or the server failed.
    """
    study = run.study()
    sites = run.sites(study)
    verify_release(run.release)
    for site in sites:
        Cohort.load(site, study)
    with talk.stage(f"Auditing release {release_digest(run.release)[:12]} at {len(sites)} sites") as advance:
        engine("audit", run, study, sites, lambda beats: advance(*_progress(study, beats)))
    return report(run, talk)


def _progress(study: Study, beats: Heartbeats) -> tuple[float, str]:
    auditing = [beat for beat in beats.values() if beat.get("task") == "audit"]
    if not auditing:
        return 0.0, "sending the release"
    share = sum(beat["done"] / beat["steps"] for beat in auditing) / len(study.sites)
    attacking = any(beat["done"] >= beat["steps"] / 2 for beat in auditing)
    return share, "attacking" if attacking else "querying the generator"
