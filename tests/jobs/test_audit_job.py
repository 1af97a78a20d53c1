"""Which sites an audit asks, and how often it is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from small_run import write_run

from jobs import audit as module
from jobs.again import run_again
from jobs.engine import Engine, Job, JobFailedError, JobRefusedError
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

FOUR = dict.fromkeys(("a", "b", "c", "d"), 1.0)


def trained(run: RunFolder, *sites: str) -> RunFolder:
    run.server.write_result("train", "done", curves=[{"round": 1, "site": site} for site in sites])
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", subjects=0, sites=FOUR)


def test_those_are_asked_of_whom_the_generator_has_updates(run: RunFolder) -> None:
    study = run.study()
    assert module._auditors(run, study) == tuple(FOUR)  # trained elsewhere: nobody knows
    assert module._auditors(trained(run, "c", "a", "d", "a"), study) == ("a", "c", "d")
    run.server.write_result("train", "done", curves=[{"round": 1, "site": "all sites", "sites": ["b", "c", "d"]}])
    assert module._auditors(run, study) == ("b", "c", "d")


def test_too_few_for_sums_is_said_before_anything_starts(run: RunFolder) -> None:
    with pytest.raises(InputError, match="updates of a, b alone, but an audit's counts leave as sums over at least 3"):
        module._auditors(trained(run, "a", "b"), run.study())


@pytest.mark.parametrize(("failures", "kind", "submitted"), [
    (0, JobFailedError, 1), (2, JobFailedError, 3), (3, JobFailedError, 3), (1, JobRefusedError, 1)])
def test_it_is_submitted_three_times_at_most_and_once_if_refused(
        run: RunFolder, failures: int, kind: type[JobFailedError], submitted: int) -> None:
    jobs: list[Job] = []

    class Flaky:
        def run(self, job: Job, on_progress: object) -> dict[str, Any]:
            jobs.append(job)
            if len(jobs) <= failures:
                raise kind("site 'a': its process died", ["a"])
            return {}

    def go() -> None:
        run_again(cast(Engine, Flaky()), Job("audit", run.study(), tuple(FOUR)), Talk(), lambda beats: None)

    if failures >= submitted:
        with pytest.raises(kind, match="its process died"):
            go()
    else:
        go()
    assert len(jobs) == submitted
