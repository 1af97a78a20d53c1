"""Watching a job from outside NVFlare: its result, its sites' heartbeats, the processes it must not leave behind."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from fl_components.client.heartbeat import heartbeat_file
from fl_components.json_file import read_json
from fl_components.site import Site
from fl_components.study import Study
from jobs.run_folder import RunFolder

MARKER: Final = "FEDSYNTH_JOB"
"""Environment variable that every process of one job inherits: NVFlare puts its clients into sessions of their own,
so a process group does not hold them."""
_POLL_S: Final = 0.3
_FAREWELL_S: Final = 60.0
"""How long NVFlare may take to end by itself after the job said it is done."""

Heartbeats = dict[str, dict[str, Any]]
Progress = Callable[[Heartbeats], None]
Engine = Callable[[str, RunFolder, Study, Sequence[Site], Progress], dict[str, Any]]
"""Runs a job ("train" or "audit") of a run folder's study at its sites, calls back a few times a second with every
site's heartbeat, and returns the job's result, status "done"; raises `JobFailedError` otherwise."""


class JobFailedError(RuntimeError):
    """A job did not finish; the message names the site or the reason, and the log."""


class EndedEarlyError(JobFailedError):
    """NVFlare is through with a job that has no result."""


def forget(job: str, run: RunFolder, sites: Sequence[Site]) -> None:
    """Remove what an earlier job left, so that it is not taken for this one's."""
    run.server.result_file(job).unlink(missing_ok=True)
    for site in sites:
        heartbeat_file(site.state).unlink(missing_ok=True)


def watch(process: subprocess.Popen[bytes], name: str, job: str, run: RunFolder, sites: Sequence[Site], log: Path,
          on_progress: Progress) -> dict[str, Any]:
    """Wait for a job's result.

    Args:
        process: lives as long as NVFlare runs the job.
        name: what to call that process when it ends too early.
        job: "train" or "audit".
        run: where the server's result is.
        sites: whose heartbeats are read.
        log: named where more is to be read.
        on_progress: called a few times a second; may raise.

    Returns:
        The result, status "done".

    Raises:
        JobFailedError: if a site died or failed, or the server said so.
        EndedEarlyError: if the process ended without a result.
    """
    while True:
        ended = process.poll() is not None
        beats = _heartbeats(sites)
        on_progress(beats)
        dead = {site: beat for site, beat in beats.items() if not _lives(beat["pid"])}
        result = run.server.result(job) if run.server.result_file(job).exists() else {"status": "starting"}
        if result["status"] == "done":
            _say_farewell(process)
            return result
        if reason := _failure(job, result, dead, _heartbeats(sites), log):
            raise JobFailedError(reason)
        if ended:
            raise EndedEarlyError(f"{job}: {name} ended early (exit code {process.returncode}); log: {log}")
        time.sleep(_POLL_S)


def end_all(marker: str) -> None:
    """Kill every process that inherited this value of `MARKER`, wherever it put itself, and wait until it is dead."""
    while ours := [process for process in psutil.process_iter() if _carries(process, marker)]:
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.1)  # one of them may have started another meanwhile


def _carries(process: psutil.Process, marker: str) -> bool:
    try:
        return process.environ().get(MARKER) == marker
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # gone, dead and not yet buried, or somebody else's


def _heartbeats(sites: Sequence[Site]) -> Heartbeats:
    paths = {site.name: heartbeat_file(site.state) for site in sites}
    return {name: read_json(path) for name, path in paths.items() if path.exists()}


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _failure(job: str, result: dict[str, Any], dead: Heartbeats, beats: Heartbeats, log: Path) -> str | None:
    """Why the job failed, the cause before what it brought about: a site's own words, the server's, a dead process.

    A failed site makes the server end the job, and a job that ends takes its sites' processes with it: so `dead` must
    have been seen before `result` was read, and `result` before `beats`.
    """
    for site, beat in beats.items():
        if beat.get("failure"):
            return f"site '{site}': {beat['failure']}"
    if result["status"] == "failed":
        return f"{job}: {result['reason']}"
    for site, beat in dead.items():
        return f"site '{site}': its process died during '{beat.get('task')}'; log: {log}"
    return None


def _say_farewell(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_FAREWELL_S)
    except subprocess.TimeoutExpired:
        return  # whoever started it ends it
