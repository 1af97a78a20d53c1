"""`fedsynth demo`: the whole chain on simulated hospitals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fl_components.json_file import write_json
from jobs.audit import audit
from jobs.cohort import check, simulate
from jobs.edit_gallery import edit_gallery
from jobs.environment import Environment, engine_of
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from jobs.train import train
from jobs.utility import measure_quickly


def demo(path: Path, talk: Talk, n_sites: int, rounds: int | None, env: Environment = Environment.SIM,
         epsilon: float | None = None) -> dict[str, Any]:
    """Simulate, check, train, synthesize, audit and report in one run folder.

    Returns:
        The verdict, the report's path and the seconds of each stage (also in `stages.json`).

    Raises:
        InputError: if the folder holds another study.
        JobFailedError: if a site or the server failed.
    """
    simulate(path, talk, n_sites, rounds, epsilon)
    run = RunFolder(path)
    check(path, talk, None)
    with engine_of(env, run, talk.say) as engine:  # one federation for both jobs
        train(run, talk, engine)
        synthesize(run, talk, replace=True)
        with talk.stage("Editing tumours, one of each kind"):
            edit_gallery(run, run.edits)
        measure_quickly(run, talk)
        result = audit(run, talk, engine)
    write_json(path / "stages.json", {"seconds": {title: round(s, 1) for title, s in talk.seconds.items()}})
    return {"verdict": result["verdict"], "report": result["report"], "release": str(run.release),
            "minutes": round(sum(talk.seconds.values()) / 60, 1)}
