"""A training in as many jobs as it takes: NVFlare does not go on with a job whose server or site died, so we do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from jobs.engine import Engine, Heartbeats, Job, JobFailedError, JobRefusedError, Progress
from jobs.output import Talk
from jobs.resume import TrainingRecord

_TRIES: Final = 3
"""Attempts in a row without a new round, after which another one would hardly help."""
_LOOK_S: Final = 5.0


class Relay:
    """Submits job after job until the study's last round is done.

    Whoever failed is left out of the next job, which then has a few rounds only, so that the site is taken back; unless
    too few sites would remain. A site that the engine says is not there is left out likewise. A site that refuses
    before the first round, or a server that says why it cannot go on, ends the training at once: that is bad input.

    Args:
        record: the training; kept up to date.
        engine: runs the jobs; entered by the caller.
        talk: one line for every job after the first.
        on_progress: passed on.
        wait: sleeps for so many seconds.
    """

    def __init__(self, record: TrainingRecord, engine: Engine, talk: Talk, on_progress: Progress,
                 wait: Callable[[float], None] = time.sleep) -> None:
        self.record, self.engine, self.talk, self.wait = record, engine, talk, wait
        self.study = record.study
        self._tell = on_progress
        self._beats: Heartbeats = {}

    def run(self) -> dict[str, Any]:
        """The result of the job that did the last round.

        Raises:
            JobFailedError: if three attempts in a row did no round, or one said why another would do none either.
        """
        failures, left_out = 0, frozenset[str]()
        while True:
            before = self.record.rounds
            result, reason, left_out = self._one_job(left_out)
            if result is not None and result["status"] == "done":
                return result
            failures = 0 if self.record.rounds > before else failures + 1
            if failures == _TRIES:
                raise JobFailedError(f"{reason}; {_TRIES} attempts in a row did no round. {self._hint()}",
                                     sorted(left_out))

    def _one_job(self, left_out: frozenset[str]) -> tuple[dict[str, Any] | None, str | None, frozenset[str]]:
        """Run the next job: its result if it has one, why it was not the last one, and whom the next leaves out."""
        try:
            job = self._next_job(left_out)
        except JobFailedError as error:
            self.talk.say(f"Training cannot go on yet: {error}")
            return None, str(error), left_out
        self._announce(job)
        started = time.monotonic()
        self._beats = {}
        result, reason, missing = None, None, frozenset[str]()
        try:
            result = self.engine.run(job, self._on_progress)
            self.record.rounds = max(self.record.rounds, result["rounds"])
            missing = frozenset(result["missing"])
            if result["status"] != "done":
                reason = self._paused(result)
        except JobFailedError as error:
            self.record.look()
            reason, missing = str(error), frozenset(error.sites)
            if isinstance(error, JobRefusedError) and not (self.record.rounds and error.sites):
                self.record.add(job, reason, time.monotonic() - started)
                raise self._with_hint(error) from None
        self.record.add(job, reason, time.monotonic() - started)
        return result, reason, missing

    def _next_job(self, left_out: frozenset[str]) -> Job:
        there = self._there()
        sites = tuple(site for site in there if site not in left_out)
        if len(sites) < self._least:
            sites = there  # too few without it
        rounds = self.study.training.rounds
        few = min(rounds, self.record.rounds + self.study.federation.rounds_per_job)
        return Job("train", self.study, sites, self.record.training,
                   rounds if len(sites) == len(self.study.sites) else few)

    @property
    def _least(self) -> int:
        return self.study.federation.least_updates(len(self.study.sites))

    def _there(self) -> tuple[str, ...]:
        """The sites that can take part; waits for as many as a round needs, as long as for a round."""
        waited = 0.0
        while True:
            present = self.engine.present()
            there = tuple(site for site in self.study.sites if present is None or site in present)
            if len(there) >= self._least:
                return there
            found = (f"{len(there)} of {len(self.study.sites)} sites are there, a round needs {self._least}; absent: "
                     f"{', '.join(site for site in self.study.sites if site not in there)}")
            if waited == 0:
                self.talk.say(f"Training waits: {found}")
            if waited >= self.study.federation.round_timeout_s:
                raise JobFailedError(found)
            self.wait(_LOOK_S)
            waited += _LOOK_S

    def _announce(self, job: Job) -> None:
        """Say how it goes on, if this is not the plain beginning."""
        absent = [site for site in self.study.sites if site not in job.sites]
        if not self.record.jobs and not absent:
            return
        last = self.record.jobs[-1]["reason"] if self.record.jobs else None
        without = f" without {', '.join(absent)}, asked again after round {job.until}" if absent else " with every site"
        self.talk.say(f"Training goes on {self._where}{without}" + (f": {last}" if last else ""))

    def _on_progress(self, beats: Heartbeats) -> None:
        self._beats = beats
        self._tell(beats)

    def _paused(self, result: dict[str, Any]) -> str:
        """Why a job ended before the study's last round."""
        if not result["missing"]:
            return f"the job was to end after round {result['rounds']}"
        words = [f"{site} ({self._beats[site]['failure']})" if self._beats.get(site, {}).get("failure") else site
                 for site in result["missing"]]
        return f"no usable answer from {', '.join(words)}"

    def _hint(self) -> str:
        return f"'fedsynth train {self.record.run.path} --resume' goes on {self._where}"

    @property
    def _where(self) -> str:
        """The next round; there may be none where a job did the last one and its result was lost."""
        done = self.record.rounds
        return f"with round {done + 1}" if done < self.study.training.rounds else f"after round {done}, the last one,"

    def _with_hint(self, error: JobRefusedError) -> JobFailedError:
        """Before the first round there is nothing to go on with."""
        return JobRefusedError(f"{error}. {self._hint()}", error.sites) if self.record.rounds else error
