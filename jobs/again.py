"""A job that is one question after the other has nothing to go on from: where it fails, it is submitted again."""

from __future__ import annotations

from typing import Any, Final

from jobs.engine import Engine, Job, JobFailedError, JobRefusedError, Progress
from jobs.output import Talk

_TRIES: Final = 3


def run_again(engine: Engine, job: Job, talk: Talk, on_progress: Progress) -> dict[str, Any]:
    """Run a job, three times at most, and return its result.

    Raises:
        JobRefusedError: at once, if a party said why it cannot.
        JobFailedError: if it failed each time.
    """
    tries = 0
    while True:
        try:
            return engine.run(job, on_progress)
        except JobFailedError as error:
            tries += 1
            if isinstance(error, JobRefusedError) or tries == _TRIES:
                raise
            talk.say(f"'{job.name}' is submitted again: {error}")
