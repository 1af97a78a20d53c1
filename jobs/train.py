"""`fedsynth train`: the federated training, in one job of NVFlare or, where something fails, in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fl_components.client.heartbeat import heartbeat_file
from fl_components.cohort.cohort import Cohort
from fl_components.json_file import read_json
from fl_components.site import Site
from jobs.engine import Engine, Heartbeats
from jobs.output import Advance, Talk
from jobs.relay import Relay
from jobs.resume import TrainingRecord, unfinished_rounds
from jobs.run_folder import RunFolder
from jobs.simulation import Simulator


def train(run: RunFolder, talk: Talk, engine: Engine | None = None, resume: bool = False) -> dict[str, Any]:
    """Train the study's generator over all its sites.

    Args:
        run: where everything is.
        talk: progress.
        engine: runs the jobs; NVFlare's simulator unless given.
        resume: go on with the unfinished training of the run folder instead of starting anew.

    Returns:
        The training's identity, rounds, number of jobs, the generator's path and the last losses.

    Raises:
        InputError: if the study, a site or its prepared cohort is missing or invalid, or there is nothing to resume.
        JobFailedError: if the training cannot go on.
    """
    study = run.study()
    engine = engine or Simulator(run)
    sites = engine.local_sites()
    for site in sites:
        Cohort.load(site, study)  # what cannot work is said before anything starts
    record = TrainingRecord.resumed(run, study) if resume else TrainingRecord.begun(run, study)
    settings = study.training
    title = f"Training {settings.rounds} rounds × {settings.local_steps} steps at {len(study.sites)} sites"
    with talk.stage(title) as advance, engine:
        # Not before: the engine says if another command is at work here, and ends what an earlier one left at work.
        if not resume:
            _give_up(run, talk)
        record.look()
        record.write("unfinished")
        result = Relay(record, engine, talk, _progress(record, advance)).run()
    last = [row for row in result["curves"] if row["round"] == settings.rounds]
    made = {"generator": str(run.server.generator_file), "precision": _precisions(sites),
            "l1_by_site": {row["site"]: round(row["loss.l1"], 4) for row in last if "loss.l1" in row}}
    record.write("done", **made)
    return {"training": record.training, "rounds": record.rounds, "jobs": len(record.jobs), **made}


def _give_up(run: RunFolder, talk: Talk) -> None:
    """Remove what an earlier training would go on from."""
    if rounds := unfinished_rounds(run):
        talk.say(f"An unfinished training of {rounds} rounds is given up; --resume would have gone on with it")
    run.server.checkpoint_file.unlink(missing_ok=True)


def _progress(record: TrainingRecord, advance: Advance) -> Callable[[Heartbeats], None]:
    settings = record.study.training

    def on_progress(beats: Heartbeats) -> None:
        training = [beat for beat in beats.values() if beat.get("task") == "train"]
        shares = [(beat["round"] + beat["done"] / settings.local_steps) / settings.rounds for beat in training]
        rounds = {beat["round"] + 1 for beat in training}
        note = f"round {min(rounds)} of {settings.rounds}" if rounds else "starting NVFlare"
        advance(max(record.rounds / settings.rounds, sum(shares) / max(len(shares), 1)), note)

    return on_progress


def _precisions(sites: Sequence[Site]) -> str:
    """What number format the sites' steps ran in, as their heartbeats say; an absent site's may not."""
    beats = [read_json(path) for site in sites if (path := heartbeat_file(site.state)).exists()]
    return "; ".join(sorted({beat["precision"] for beat in beats if "precision" in beat}))
