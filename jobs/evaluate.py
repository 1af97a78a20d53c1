"""`fedsynth evaluate`: what the release is worth, measured at the sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fl_components.evaluation.arms import arms_of
from fl_components.evaluation.cohort import evaluation_cohort, require_evaluation
from fl_components.guard.declaration import EVALUATION
from fl_components.json_file import write_json
from fl_components.server.release_manifest import release_digest, verify_release
from fl_components.site import Site
from fl_components.study import Study
from jobs.again import run_again
from jobs.engine import Engine, Heartbeats, Job
from jobs.evaluation_tables import print_tables
from jobs.output import Talk
from jobs.provenance import provenance
from jobs.run_folder import RunFolder
from jobs.simulation import Simulator
from privacy_eval.errors import InputError


def evaluate(run: RunFolder, talk: Talk, engine: Engine | None = None, without: Sequence[str] = ()) -> dict[str, Any]:
    """Evaluate the run's release at the study's sites, print the tables and write `evaluate/evaluation.json`.

    All sites that are asked must answer; a job in which one dies or is silent is submitted again, three times at most.

    Args:
        run: where everything is.
        talk: progress and tables.
        engine: runs the job; NVFlare's simulator unless given.
        without: sites that are not asked.

    Returns:
        The path of the JSON, the release and its Dice by training set, augmentation and segmenter.

    Raises:
        InputError: if the study claims an ε, the release is missing or was changed, or a site on this machine cannot
            take part.
        JobFailedError: if a site or the server failed.
    """
    study = run.study()
    require_evaluation(study)
    engine = engine or Simulator(run)
    job = Job("evaluate", study, _asked(study, without))
    verify_release(run.release)
    local = [site for site in engine.local_sites() if site.name in job.sites]
    for site in local:  # what cannot work is said before anything starts
        require_allowed(site)
        evaluation_cohort(site, study)
    title = f"Evaluating release {release_digest(run.release)[:12]} at {len(job.sites)} sites"
    with talk.stage(title) as advance, engine:
        found = run_again(engine, job, talk, lambda beats: advance(*_progress(job, beats)))
    # Across hospitals nobody says here whose subjects they are; on one machine all of them may be simulated.
    simulated = len(local) == len(job.sites) and all(site.data.simulated for site in local)
    result = {name: value for name, value in found.items() if name not in ("status", "nvflare_job", "told")}
    path = run.evaluation / "evaluation.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, {**result, "sites": list(job.sites), "simulated": simulated,
                      "settings": study.evaluation.model_dump(mode="json"), "provenance": provenance(study)})
    print_tables(talk, result, simulated)
    return {"evaluation": str(path), "release": found["release"], "simulated": simulated, "dice": _dice(found)}


def require_allowed(site: Site) -> None:
    """Refuse a site whose policy does not name the tasks.

    Raises:
        InputError: naming the first that is missing.
    """
    if missing := [task for task in EVALUATION if task not in site.policy.tasks]:
        raise InputError(f"site '{site.name}': its site.toml does not allow '{missing[0]}' in policy.tasks; the site "
                         f"adds {', '.join(missing)} there, or is left out with --without {site.name}")


def _asked(study: Study, without: Sequence[str]) -> tuple[str, ...]:
    if strangers := [site for site in without if site not in study.sites]:
        raise InputError(f"--without {strangers[0]}: not a site of the study, which names {', '.join(study.sites)}")
    sites = tuple(site for site in study.sites if site not in without)
    least = study.federation.least_updates(len(study.sites))
    if len(sites) < least:
        raise InputError(f"--without {' --without '.join(without)}: {len(sites)} site(s) are left, and the study's "
                         f"rounds need {least} (federation.minimum_updates)")
    return sites


def _progress(job: Job, beats: Heartbeats) -> tuple[float, str]:
    """Rounds done by the site that is the farthest behind, an arm's scores counting as one more."""
    settings, arms = job.study.evaluation, arms_of(job.study)
    places = []
    for beat in beats.values():
        if beat.get("task") in ("segment", "segment_scores"):
            arm, within = divmod(beat["round"], settings.rounds)
            whole = within + (beat["task"] == "segment_scores")
            places.append(arm * (settings.rounds + 1) + whole + beat["done"] / beat["steps"])
    if not places:
        return 0.0, "comparing the release with the sites' subjects" if beats else "sending the release"
    at = min(min(places), len(arms) * (settings.rounds + 1) - 1e-6)
    return at / (len(arms) * (settings.rounds + 1)), f"segmenter {int(at / (settings.rounds + 1)) + 1} of {len(arms)}"


def _dice(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Dice by what was trained, then by region, for whoever reads the command's JSON."""
    told: dict[str, dict[str, float]] = {}
    for row in found["segmenters"]:
        if row["measure"] == "dice" and row["score"]:
            name = f"{row['segmenter']}, {row['trained_on']}, {'augmented' if row['augmented'] else 'plain'}"
            told.setdefault(name, {})[row["region"]] = round(row["score"]["estimate"], 4)
    return told
