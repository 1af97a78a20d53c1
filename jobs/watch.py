"""Watching a job from outside NVFlare: its result, its sites' heartbeats, the processes it must not leave behind."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from fl_components.client.heartbeat import heartbeat_file
from fl_components.json_file import read_json
from fl_components.site import Site
from jobs.engine import Heartbeats, JobFailedError, JobRefusedError, Progress
from jobs.run_folder import RunFolder

MARKER: Final = "FEDSYNTH_JOB"
"""Environment variable that every process of one job inherits: NVFlare puts its clients into sessions of their own,
so a process group does not hold them."""
_POLL_S: Final = 0.3
_FAREWELL_S: Final = 60.0
"""How long NVFlare may take to end by itself after the job said it is over."""
_FAREWELL_WITHOUT_S: Final = 10.0
"""The same where a site did not answer: a process that hangs would keep NVFlare for longer than anybody waits."""


class EndedEarlyError(JobFailedError):
    """NVFlare is through with a job that has no result."""


def forget(job: str, run: RunFolder, sites: Sequence[Site]) -> None:
    """Remove what an earlier job left, so that it is not taken for this one's."""
    run.server.result_file(job).unlink(missing_ok=True)
    for site in sites:
        heartbeat_file(site.state).unlink(missing_ok=True)


def watch(process: subprocess.Popen[bytes], name: str, job: str, run: RunFolder, sites: Sequence[Site], log: Path,
          on_progress: Progress, nvflare_job: str | None = None) -> dict[str, Any]:
    """Wait for a job's result.

    Args:
        process: lives as long as NVFlare runs the job.
        name: what to call that process when it ends too early.
        job: its name.
        run: where the server's result is.
        sites: of the job, whose heartbeats are read; none where they are on other machines.
        log: named where more is to be read.
        on_progress: called a few times a second; may raise.
        nvflare_job: NVFlare's identifier of the job; a result or a heartbeat that bears another is not believed.

    Returns:
        The result, status "done" or "paused".

    Raises:
        JobRefusedError: if a site failed by its own words before any round was done, or the server did though
            everybody answered.
        JobFailedError: if a site's process died, or answers were missing.
        EndedEarlyError: if the process ended without a result.
    """
    while True:
        ended = process.poll() is not None
        beats = _heartbeats(sites, nvflare_job)
        on_progress(beats)
        dead = {site: beat for site, beat in beats.items() if not _lives(beat["pid"])}
        result = _result(job, run, nvflare_job)
        if result["status"] in ("done", "paused"):
            _say_farewell(process, _FAREWELL_WITHOUT_S if result.get("missing") else _FAREWELL_S)
            return result
        if failure := _failure(job, result, dead, _heartbeats(sites, nvflare_job), log):
            raise failure
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


def _result(job: str, run: RunFolder, nvflare_job: str | None) -> dict[str, Any]:
    """What the server said of this job so far."""
    found = run.server.result(job) if run.server.result_file(job).exists() else {}
    return found if found and nvflare_job in (None, found["nvflare_job"]) else {"status": "starting"}


def _heartbeats(sites: Sequence[Site], nvflare_job: str | None) -> Heartbeats:
    paths = {site.name: heartbeat_file(site.state) for site in sites}
    beats = {name: read_json(path) for name, path in paths.items() if path.exists()}
    return {name: beat for name, beat in beats.items() if nvflare_job in (None, beat["nvflare_job"])}


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _failure(job: str, result: dict[str, Any], dead: Heartbeats, beats: Heartbeats, log: Path) -> JobFailedError | None:
    """Why the job failed, the cause before what it brought about: a site's own words, the server's, a dead process.

    A failed site makes the server end the job, and a job that ends takes its sites' processes with it: so `dead` must
    have been seen before `result` was read, and `result` before `beats`. Once a round of a training is done, a site
    that fails has told the server as well, and the server ends the round without it.
    """
    failed, begun = result["status"] == "failed", bool(result.get("rounds"))
    words = {site: f"site '{site}': {beat['failure']}" for site, beat in beats.items() if beat.get("failure")}
    if words and (failed or not begun):
        kind = JobFailedError if begun else JobRefusedError
        return kind(next(iter(words.values())), list(words))
    if failed:
        kind = JobFailedError if result["missing"] else JobRefusedError
        return kind(f"{job}: {result['reason']}", result["missing"])
    if dead and _orphaned(beats):
        return JobFailedError(f"{job}: the process that held the server died, and the sites' with it; log: {log}")
    for site, beat in dead.items():
        return JobFailedError(f"site '{site}': its process died during '{beat.get('task')}'; log: {log}", list(dead))
    return None


def _orphaned(beats: Heartbeats) -> bool:
    """Whether several sites had one parent, which the simulator's server is, and it is dead."""
    parents = {beat["parent"] for beat in beats.values()}
    return len(beats) > 1 and len(parents) == 1 and not _lives(parents.pop())


def _say_farewell(process: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return  # whoever started it ends it
