"""Running a job in NVFlare's simulator: in a process of its own, watched, and cleared away whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fl_components.environment import RUN_VARIABLE
from fl_components.site import Site
from fl_components.study import Study
from jobs.run_folder import RunFolder
from jobs.watch import MARKER, Progress, end_all, forget, watch


def run_in_simulator(job: str, run: RunFolder, study: Study, sites: Sequence[Site],
                     on_progress: Progress) -> dict[str, Any]:
    """Run a job with every site in a process of its own on this machine.

    Args:
        job: "train" or "audit".
        run: where everything is.
        study: the study.
        sites: its sites, all on this machine.
        on_progress: called a few times a second with every site's heartbeat.

    Returns:
        The job's result, status "done" (`ServerHome.result`).

    Raises:
        JobFailedError: if a site died or failed, the server refused, or the simulator ended early. No process is
            left behind, whether it returns or raises.
    """
    marker = uuid.uuid4().hex
    workspace = _fresh_workspace(job, run, study)
    forget(job, run, sites)
    log = run.nvflare / f"{job}.log"
    environment = {**os.environ, RUN_VARIABLE: str(run.path.resolve()), MARKER: marker, "OMP_NUM_THREADS": "1",
                   "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.simulation", job, str(run.path.resolve()), str(workspace.parent)],
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0)
        try:
            return watch(process, "the simulator", job, run, sites, log, on_progress)
        finally:
            end_all(marker)
            process.wait()


def _fresh_workspace(job: str, run: RunFolder, study: Study) -> Path:
    """The simulator's workspace with our classes allowed: it takes the list only from there."""
    from jobs.recipes import CLASS_ALLOW_LIST

    workspace = (run.nvflare / f"{study.name}-{job}").resolve()
    shutil.rmtree(workspace, ignore_errors=True)
    local = workspace / "local"
    local.mkdir(parents=True)
    resources = {"format_version": 2, "class_allow_list": CLASS_ALLOW_LIST, "allow_log_streaming": False}
    (local / "resources.json").write_text(json.dumps(resources, indent=1))
    return workspace


def _simulate(job: str, run: Path, workspace_root: Path) -> None:
    """Inside the process: build the recipe and run it."""
    from nvflare.recipe import SimEnv

    from jobs.recipes import FedsynthRecipe

    study = RunFolder(run).study()
    clients = list(study.sites)
    recipe = FedsynthRecipe("train" if job == "train" else "audit", study)
    recipe.execute(SimEnv(clients=clients, num_threads=len(clients), workspace_root=str(workspace_root),
                          log_config="concise"))


if __name__ == "__main__":
    _simulate(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
