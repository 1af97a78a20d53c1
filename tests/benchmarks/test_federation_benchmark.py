from __future__ import annotations

from pathlib import Path

import pytest
from small_run import prepare_run, write_run

import benchmarks.federation as federation
from benchmarks.federation import Central, Federated, compare, copy_run, time_central, time_federated
from fl_components.cohort.cohort import Cohort
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("federation") / "run")
    prepare_run(run)
    return run


def _files(run: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()}


def test_a_copy_holds_the_same_members_and_leaves_its_source_alone(source: RunFolder, tmp_path: Path) -> None:
    before = _files(source)
    run = copy_run(source, tmp_path / "copy", {"rounds": 1})
    assert run.study().training.rounds == 1
    assert run.study().training.local_steps == source.study().training.local_steps
    for mine, theirs in zip(run.sites(run.study()), source.sites(source.study()), strict=True):
        assert mine.data == theirs.data
        assert mine.policy == theirs.policy
        assert mine.state.resolve().is_relative_to(tmp_path)
        assert Cohort.load(mine, run.study()).split == Cohort.load(theirs, source.study()).split
    assert time_central(run, 1).work > 0
    assert _files(source) == before


def test_a_source_that_is_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        copy_run(write_run(tmp_path / "raw", subjects=1), tmp_path / "copy", {})


@pytest.mark.slow
def test_the_phases_of_a_federation(source: RunFolder, tmp_path: Path) -> None:
    run = copy_run(source, tmp_path / "copy", {"rounds": 1, "local_steps": 1})
    before = _files(source)
    phases = time_federated(run)
    assert min(phases) > 0
    assert run.server.result("train")["status"] == "done"
    assert _files(source) == before


def test_ratios_are_of_the_same_turn(source: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    federated = iter([Federated(10, 11, 3), Federated(10, 40, 3), Federated(12, 12, 4)])
    central = iter([Central(1, 10), Central(1, 40), Central(1, 12)])
    monkeypatch.setattr(federation, "time_federated", lambda run: next(federated))
    monkeypatch.setattr(federation, "time_central", lambda run, threads: next(central))
    figures = compare(source, 3)
    assert figures["times_central_net"]["median"] == 1.0
    assert figures["times_central"]["median"] == pytest.approx(28 / 13)
    assert figures["seconds_nvflare_start"]["median"] == 10
    assert figures["seconds_nvflare_stop"]["median"] == 3
    assert figures["seconds_central"]["median"] == 13
