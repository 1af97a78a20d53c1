"""Running a job in NVFlare's simulator: in a process of its own, watched, and cleared away whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from fl_components.client.heartbeat import heartbeat_file
from fl_components.environment import RUN_VARIABLE
from fl_components.site import Site
from fl_components.study import Study
from jobs.run_folder import RunFolder

_MARKER: Final = "FEDSYNTH_SIMULATION"
"""Environment variable that every process of one simulation inherits: NVFlare puts its clients into sessions of
their own, so a process group does not hold them."""
_POLL_S: Final = 0.3
_FAREWELL_S: Final = 60.0
"""How long the simulator may take to end by itself after the job said it is done."""

Heartbeats = dict[str, dict[str, Any]]


class JobFailedError(RuntimeError):
    """A job did not finish; the message names the site or the reason, and the log."""


def run_in_simulator(job: str, run: RunFolder, study: Study, sites: Sequence[Site],
                     on_progress: Callable[[Heartbeats], None]) -> dict[str, Any]:
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
    run.server.result_file(job).unlink(missing_ok=True)
    for site in sites:
        heartbeat_file(site.state).unlink(missing_ok=True)
    log = run.nvflare / f"{job}.log"
    environment = {**os.environ, RUN_VARIABLE: str(run.path.resolve()), _MARKER: marker, "OMP_NUM_THREADS": "1",
                   "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.simulation", job, str(run.path.resolve()), str(workspace.parent)],
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0)
        try:
            return _watch(process, job, run, sites, log, on_progress)
        finally:
            _end_all(marker)
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


def _watch(process: subprocess.Popen[bytes], job: str, run: RunFolder, sites: Sequence[Site], log: Path,
           on_progress: Callable[[Heartbeats], None]) -> dict[str, Any]:
    while True:
        ended = process.poll() is not None
        beats = _heartbeats(sites)
        on_progress(beats)
        result = run.server.result(job) if run.server.result_file(job).exists() else {"status": "starting"}
        if result["status"] == "done":
            _say_farewell(process)
            return result
        for name, beat in beats.items():
            if beat.get("failure"):
                raise JobFailedError(f"site '{name}': {beat['failure']}")
            if not _lives(beat["pid"]):
                raise JobFailedError(f"site '{name}': its process died during '{beat.get('task')}'; log: {log}")
        if result["status"] == "failed":
            raise JobFailedError(f"{job}: {result['reason']}")
        if ended:
            raise JobFailedError(f"{job}: the simulator ended early (exit code {process.returncode}); log: {log}")
        time.sleep(_POLL_S)


def _heartbeats(sites: Sequence[Site]) -> Heartbeats:
    beats = {}
    for site in sites:
        path = heartbeat_file(site.state)
        if path.exists():
            beats[site.name] = json.loads(path.read_text())
    return beats


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _say_farewell(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_FAREWELL_S)
    except subprocess.TimeoutExpired:
        return  # `_end_all` follows


def _end_all(marker: str) -> None:
    """Kill every process of this simulation, wherever it put itself."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARKER) == marker:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone meanwhile, or somebody else's


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
