"""`fedsynth train`: the federated training job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fl_components.client.heartbeat import heartbeat_file
from fl_components.cohort.cohort import Cohort
from fl_components.json_file import read_json, write_json
from fl_components.site import Site
from fl_components.study import Study
from jobs.output import Advance, Talk
from jobs.provenance import provenance
from jobs.run_folder import RunFolder
from jobs.simulation import run_in_simulator
from jobs.watch import Engine, Heartbeats


def train(run: RunFolder, talk: Talk, engine: Engine = run_in_simulator) -> dict[str, Any]:
    """Train the study's generator over all its sites, in NVFlare's simulator unless another engine is given.

    Returns:
        Rounds, the generator's path and the last losses.

    Raises:
        InputError: if the study, a site or its prepared cohort is missing or invalid.
        JobFailedError: if a site or the server failed.
    """
    study = run.study()
    sites = run.sites(study)
    for site in sites:
        Cohort.load(site, study)  # what cannot work is said before anything starts
    settings = study.training
    title = f"Training {settings.rounds} rounds × {settings.local_steps} steps at {len(sites)} sites"
    with talk.stage(title) as advance:
        result = engine("train", run, study, sites, _progress(study, sites, advance))
    last = [row for row in result["curves"] if row["round"] == settings.rounds]
    made = {"rounds": result["rounds"], "generator": str(run.server.generator_file),
            "l1_by_site": {row["site"]: round(row["loss.l1"], 4) for row in last},
            "precision": _precisions(sites)}
    write_json(run.training_file, made | {"provenance": provenance(study)})
    return made


def _progress(study: Study, sites: Sequence[Site], advance: Advance) -> Any:  # noqa: ANN401 - a callback
    total = study.training.rounds * study.training.local_steps * len(sites)

    def on_progress(beats: Heartbeats) -> None:
        training = [beat for beat in beats.values() if beat.get("task") == "train"]
        done = sum(beat["round"] * study.training.local_steps + beat["done"] for beat in training)
        rounds = {beat["round"] + 1 for beat in training}
        note = f"round {min(rounds)} of {study.training.rounds}" if rounds else "starting NVFlare"
        advance(done / total, note)

    return on_progress


def _precisions(sites: Sequence[Site]) -> str:
    """What number format the sites' steps ran in, as their heartbeats say; an absent site's may not."""
    beats = [read_json(path) for site in sites if (path := heartbeat_file(site.state)).exists()]
    return "; ".join(sorted({beat["precision"] for beat in beats if "precision" in beat}))
