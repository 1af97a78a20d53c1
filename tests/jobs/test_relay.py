"""A training in as many jobs as it takes, with engines that fail as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import small_study, write_run

from fl_components.json_file import read_json
from fl_components.server.checkpoint import Checkpoint, write_checkpoint
from fl_components.site import Site
from fl_components.study import Study
from jobs.engine import Job, JobFailedError, JobRefusedError, Progress
from jobs.output import Talk
from jobs.relay import Relay
from jobs.resume import TrainingRecord, unfinished_rounds
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from jobs.train import train
from privacy_eval.errors import InputError

SITES = ("a", "b", "c", "d")
ROUNDS = 12


class Event(NamedTuple):
    """How one job goes: after `rounds` new rounds `site` dies, or is silent, or the server dies (no site)."""

    rounds: int
    kind: str
    site: str | None = None


class Fake:
    """An engine that keeps the server's checkpoint and the events it is told to let happen."""

    def __init__(self, run: RunFolder, study: Study, events: Sequence[Event] = (),
                 present: Callable[[], frozenset[str] | None] = lambda: None) -> None:
        self.folder, self.study, self.events, self._present = run, study, list(events), present
        self.jobs: list[Job] = []
        self.rounds = 0
        self.inside = 0

    def __enter__(self) -> Self:
        self.inside += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.inside -= 1

    def local_sites(self) -> list[Site]:
        return []

    def present(self) -> frozenset[str] | None:
        return self._present()

    def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
        assert self.inside == 1
        assert job.sites == tuple(site for site in SITES if site in job.sites)
        self.jobs.append(job)
        on_progress({})
        event = self.events.pop(0) if self.events else Event(ROUNDS, "none")
        if event.site is not None and event.site not in job.sites:
            event = Event(ROUNDS, "none")  # who is not asked harms nobody
        end = min(job.until, self.study.training.rounds)
        if event.kind == "none" or self.rounds + event.rounds >= end:
            self._save(job, end)
            return self._result("done" if end == ROUNDS else "paused")
        self._save(job, self.rounds + event.rounds)
        if event.kind == "silent":
            return self._result("paused", [event.site])
        kind = JobRefusedError if event.kind == "refuses" else JobFailedError
        raise kind(f"{event.site or 'the server'} {event.kind}", [event.site] if event.site else [])

    def _save(self, job: Job, rounds: int) -> None:
        if rounds > self.rounds:
            self.rounds = rounds
            weights = {"w": np.zeros(1, np.float32)}
            write_checkpoint(self.folder.server.checkpoint_file, self.study,
                             Checkpoint(job.training, rounds, weights, weights))

    def _result(self, status: str, missing: Sequence[str | None] = ()) -> dict[str, Any]:
        return {"status": status, "rounds": self.rounds, "missing": list(missing),
                "curves": [{"round": ROUNDS, "site": "a", "loss.l1": 0.5}]}


def make_run(folder: Path, **federation: object) -> RunFolder:
    return write_run(folder / "run", subjects=0, sites=dict.fromkeys(SITES, 1.0),
                     training={"rounds": ROUNDS, "local_steps": 1},
                     federation={"rounds_per_job": 3, "round_timeout_s": 30, **federation})


def relay(run: RunFolder, engine: Fake) -> dict[str, Any]:
    record = TrainingRecord.begun(run, engine.study)
    with engine:
        return Relay(record, engine, Talk(), lambda beats: None, wait=lambda s: None).run()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path)


def test_a_training_in_which_nothing_happens_is_one_job(run: RunFolder) -> None:
    engine = Fake(run, run.study())
    made = train(run, Talk(), engine)
    [job] = engine.jobs
    assert (job.sites, job.until) == (SITES, ROUNDS)
    assert (made["jobs"], made["rounds"]) == (1, ROUNDS)
    written = read_json(run.training_file)
    assert (written["status"], written["training"], len(written["training"])) == ("done", job.training, 32)
    assert written["jobs"][0]["reason"] is None


@pytest.mark.parametrize("kind", ["dies", "silent"])
def test_who_failed_is_left_out_of_one_short_job_and_taken_back(run: RunFolder, kind: str) -> None:
    engine = Fake(run, run.study(), [Event(2, kind, "c")])
    assert relay(run, engine)["rounds"] == ROUNDS
    assert [(job.sites, job.until) for job in engine.jobs] == [
        (SITES, ROUNDS), (("a", "b", "d"), 5), (SITES, ROUNDS)]
    assert len({job.training for job in engine.jobs}) == 1
    jobs = read_json(run.training_file)["jobs"]
    assert [(job["rounds"], job["left_out"]) for job in jobs] == [(2, []), (5, ["c"]), (12, [])]
    assert "c" in jobs[0]["reason"]


def test_a_dead_server_leaves_nobody_out(run: RunFolder) -> None:
    engine = Fake(run, run.study(), [Event(4, "dies")])
    relay(run, engine)
    assert [job.sites for job in engine.jobs] == [SITES, SITES]


def test_where_every_site_is_needed_all_are_asked_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, minimum_updates=4)
    engine = Fake(run, run.study(), [Event(2, "dies", "b")])
    relay(run, engine)
    assert [job.sites for job in engine.jobs] == [SITES, SITES]


def test_a_result_that_was_lost_after_the_last_round_is_asked_for_again(run: RunFolder,
                                                                        capsys: pytest.CaptureFixture[str]) -> None:
    class Losing(Fake):
        def run(self, job: Job, on_progress: Progress) -> dict[str, Any]:
            result = super().run(job, on_progress)
            if len(self.jobs) == 1:
                raise JobFailedError("the server dies")
            return result

    engine = Losing(run, run.study())
    assert relay(run, engine)["status"] == "done"
    assert "Training goes on after round 12, the last one, with every site: the server dies" in capsys.readouterr().err
    assert [job.until for job in engine.jobs] == [ROUNDS, ROUNDS]


def test_three_jobs_without_a_round_end_it_and_resume_goes_on(run: RunFolder) -> None:
    engine = Fake(run, run.study(), [Event(4, "dies"), *[Event(0, "dies")] * 3])
    with pytest.raises(JobFailedError, match=r"the server dies; 3 attempts in a row.*--resume' goes on with round 5"):
        train(run, Talk(), engine)
    assert engine.inside == 0
    assert unfinished_rounds(run) == 4
    with pytest.raises(InputError, match=r"4 of 12 rounds are trained; finish with .*--resume"):
        synthesize(run, Talk())
    made = train(run, Talk(), engine, resume=True)
    assert (made["rounds"], made["jobs"]) == (ROUNDS, 5)
    assert len({job.training for job in engine.jobs}) == 1
    with pytest.raises(InputError, match="the training is finished"):
        train(run, Talk(), engine, resume=True)


def test_a_fresh_training_gives_an_unfinished_one_up_and_says_so(run: RunFolder, capsys: Any) -> None:  # noqa: ANN401
    engine = Fake(run, run.study(), [Event(4, "dies"), *[Event(0, "dies")] * 3])
    with pytest.raises(JobFailedError):
        train(run, Talk(), engine)
    fresh = Fake(run, run.study())
    train(run, Talk(), fresh)
    assert "An unfinished training of 4 rounds is given up" in " ".join(capsys.readouterr().err.split())
    assert fresh.jobs[0].training != engine.jobs[0].training


def test_another_study_is_not_gone_on_with(run: RunFolder) -> None:
    with pytest.raises(JobFailedError):
        train(run, Talk(), Fake(run, run.study(), [Event(0, "dies")] * 3))
    run.study_file.write_text(run.study_file.read_text().replace("seed = 7", "seed = 8"))
    with pytest.raises(InputError, match="put that study back"):
        train(run, Talk(), Fake(run, run.study()), resume=True)


def test_there_must_be_something_to_resume(run: RunFolder) -> None:
    with pytest.raises(InputError, match="no training to go on with"):
        train(run, Talk(), Fake(run, run.study()), resume=True)


@pytest.mark.parametrize(("rounds", "site"), [(0, "b"), (0, None), (3, None)])
def test_a_refusal_is_not_tried_again(run: RunFolder, rounds: int, site: str | None) -> None:
    engine = Fake(run, run.study(), [Event(rounds, "refuses", site)])
    with pytest.raises(JobRefusedError) as error:
        train(run, Talk(), engine)
    assert len(engine.jobs) == 1
    assert ("--resume" in str(error.value)) == bool(rounds)


def test_a_site_that_refuses_later_is_left_out_like_one_that_died(run: RunFolder) -> None:
    engine = Fake(run, run.study(), [Event(2, "refuses", "b"), Event(ROUNDS, "none"), Event(0, "refuses", "b")])
    assert relay(run, engine)["rounds"] == ROUNDS
    assert [(job.sites, job.until) for job in engine.jobs] == [
        (SITES, ROUNDS), (("a", "c", "d"), 5), (SITES, ROUNDS), (("a", "c", "d"), 8), (SITES, ROUNDS)]


def test_an_absent_site_is_left_out_until_it_is_there(run: RunFolder) -> None:
    looks = iter([frozenset("abd"), frozenset("abd"), frozenset("abcd")])
    engine = Fake(run, run.study(), present=lambda: next(looks))
    relay(run, engine)
    assert [(job.sites, job.until) for job in engine.jobs] == [
        (("a", "b", "d"), 3), (("a", "b", "d"), 6), (SITES, ROUNDS)]


def test_training_waits_for_as_many_sites_as_a_round_needs_but_not_for_ever(run: RunFolder) -> None:
    looks = [frozenset("a"), frozenset("ab"), frozenset("abc")]
    engine = Fake(run, run.study(), present=lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    assert relay(run, engine)["rounds"] == ROUNDS
    assert engine.jobs[0].sites == ("a", "b", "c")
    alone = Fake(run, run.study(), present=lambda: frozenset("a"))
    with pytest.raises(JobFailedError, match="1 of 4 sites are there, a round needs 3; absent: b, c, d"):
        relay(run, alone)
    assert not alone.jobs


def test_an_engine_that_comes_up_again_is_waited_for(run: RunFolder) -> None:
    looks: list[bool] = [False, False, True]

    def present() -> None:
        if not looks.pop(0):
            raise JobFailedError("the server does not come up")

    assert relay(run, Fake(run, run.study(), present=present))["rounds"] == ROUNDS
    looks += [False] * 3
    with pytest.raises(JobFailedError, match=r"does not come up; 3 attempts in a row.*--resume"):
        relay(run, Fake(run, run.study(), present=present))


EVENTS = st.builds(Event, st.integers(0, 4), st.sampled_from(["dies", "silent"]), st.sampled_from(SITES)) | st.builds(
    Event, st.integers(0, 4), st.just("dies"))


@settings(max_examples=60)
@given(events=st.lists(EVENTS, max_size=25))
def test_whatever_fails_the_last_round_is_reached_or_three_jobs_in_a_row_did_none(
        tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> None:
    run = make_run(tmp_path_factory.mktemp("relay"))
    engine = Fake(run, Study.parse(small_study(sites=dict.fromkeys(SITES, 1.0), training={
        "rounds": ROUNDS, "local_steps": 1}, federation={"rounds_per_job": 3}), "test"), events)
    try:
        assert relay(run, engine)["rounds"] == ROUNDS
    except JobFailedError:
        rounds = [0, *(job["rounds"] for job in read_json(run.training_file)["jobs"])]
        assert len(set(rounds[-4:])) == 1
    assert len(engine.jobs) <= 3 * (ROUNDS + 1)
    told = read_json(run.training_file)["jobs"]
    assert all(len(job["sites"]) >= 3 for job in told)  # a round needs three of four
    assert sorted(job["rounds"] for job in told) == [job["rounds"] for job in told]
    assert [job["sites"] for job in told] == [list(job.sites) for job in engine.jobs]
