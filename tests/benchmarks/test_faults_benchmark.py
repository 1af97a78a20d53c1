from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
import pytest
from small_run import write_run

from benchmarks import fault_training
from benchmarks.fault_blows import blows
from benchmarks.fault_checks import (
    generator_against,
    ledger_problems,
    left_aside,
    rounds_without,
    sent_again,
    unreadable,
)
from benchmarks.fault_moments import SEEN
from benchmarks.fault_training import VICTIM, Training
from benchmarks.faults import CASES
from fl_components.guard.declaration import TRAINING_SCALARS
from fl_components.guard.ledger import Ledger
from fl_components.json_file import write_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.checkpoint import Checkpoint, write_checkpoint
from jobs.run_folder import RunFolder

TRAINING = "0" * 32


def losses(number: int) -> dict[str, float]:
    return {name: number + k / 10 for k, name in enumerate(sorted(TRAINING_SCALARS))}


def finished(folder: Path, sent: Iterable[tuple[str, int]] = (("a", 0), ("a", 1))) -> RunFolder:
    """A run folder as a training of two rounds leaves it; `sent`: job and round of each update in the first ledger."""
    run = write_run(folder, subjects=0, sites={VICTIM: 1.0, "other": 1.0})
    study = run.study()
    for name in study.sites:
        for job, number in sent if name == VICTIM else (("a", 0), ("a", 1)):
            Ledger(run.site_folder(name) / "ledger.jsonl").append(
                {"job": job, "task": "train", "round": number, "decision": "sent", "scalars": losses(number + 1)})
    curves = [{"round": number, "site": name, **losses(number)} for number in (1, 2) for name in study.sites]
    weights = weights_of(build_generator(study))
    write_checkpoint(run.server.checkpoint_file, study, Checkpoint(TRAINING, 2, weights, weights))
    run.server.save_generator(weights, study)
    run.server.write_result("train", "done", rounds=2, curves=curves)
    write_json(run.training_file, {"training": TRAINING})
    return run


def test_a_whole_run_passes_every_check(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    assert (unreadable(run), ledger_problems(run), sent_again(run), rounds_without(run)) == ([], [], {}, [])
    assert generator_against(run, finished(tmp_path / "other")) == "the same"


def test_half_a_file_is_found_and_one_put_aside_is_not_read(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    whole = run.server.checkpoint_file.read_bytes()
    run.server.checkpoint_file.with_name(".checkpoint.safetensors.partial").write_bytes(whole[:100])
    assert (unreadable(run), left_aside(run)) == ([], 1)
    run.server.checkpoint_file.write_bytes(whole[:-5])
    (run.server.folder / "population.json").write_text('{"a": ')
    state = run.site_folder(VICTIM) / "state" / "training" / TRAINING / "round-0001.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"PK")
    assert [name in " ".join(unreadable(run)) for name in ("checkpoint", "population.json", "round-0001.pt")] == [
        True, True, True]


def test_a_round_sent_in_two_jobs_is_told_and_one_sent_twice_in_a_job_is_a_problem(tmp_path: Path) -> None:
    again = finished(tmp_path / "again", [("a", 0), ("a", 1), ("b", 1)])
    assert (sent_again(again), ledger_problems(again)) == ({2: 1}, [])
    twice = finished(tmp_path / "twice", [("a", 0), ("a", 1), ("a", 1)])
    assert ledger_problems(twice) == [f"{VICTIM}: round 2 is 2 times in the ledger of one job"]


def test_in_the_simulator_a_round_may_be_sent_as_often_as_there_were_jobs(tmp_path: Path) -> None:
    name = "simulate_job"
    run = finished(tmp_path / "run", [(name, 0), (name, 1), (name, 1)])
    write_json(run.training_file, {"training": TRAINING, "jobs": [{}, {}]})
    assert ledger_problems(run) == []
    write_json(run.training_file, {"training": TRAINING, "jobs": [{}]})
    assert ledger_problems(run) == [f"{VICTIM}: round 2 is 2 times in the ledger of one job"]


def test_an_update_that_counted_must_be_in_the_ledger_as_it_was(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", [("a", 0)])
    assert ledger_problems(run) == [f"{VICTIM}: the server counted round 2, the ledger has no such update"]
    result = run.server.result("train")
    result["curves"] = [row for row in result["curves"] if (row["site"], row["round"]) != (VICTIM, 2)]
    write_json(run.server.result_file("train"), result)
    assert (ledger_problems(run), rounds_without(run)) == ([], [2])
    ledger = run.site_folder(VICTIM) / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"round":0', b'"round":3').replace(b'"round": 0', b'"round": 3'))
    assert "ledger.jsonl" in ledger_problems(run)[0]


def test_generators_are_compared_bit_by_bit(tmp_path: Path) -> None:
    run, other = finished(tmp_path / "run"), finished(tmp_path / "other")
    weights = other.server.load_generator()
    name = next(iter(weights))
    weights[name].flat[0] = np.nextafter(weights[name].flat[0], np.float32(9))
    other.server.save_generator(weights, other.study())
    assert generator_against(other, run) == "another"
    weights[name].flat[0] = np.nan
    other.server.save_generator(weights, other.study())
    assert generator_against(other, run) == "not finite"


def test_a_training_that_failed_is_looked_at_as_well(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    run.server.write_result("train", "failed", reason="another study")
    run.server.generator_file.unlink()
    assert (ledger_problems(run), generator_against(run, finished(tmp_path / "other"))) == ([], "none")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_a_known_fault_at_a_known_moment(case: tuple[str, str]) -> None:
    assert case[0] in blows()
    assert case[1] in SEEN


def test_moments_are_told_from_what_lies_in_the_folder(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    training = Training(run, "poc")
    beat = {"pid": 1, "task": "train", "round": 1, "done": 2, "steps": 9}
    write_json(run.site_folder(VICTIM) / "state" / "heartbeat.json", beat)
    seen = {name: look(training) for name, (look, _) in SEEN.items()}
    assert seen == {"summaries": False, "between rounds": False, "local steps": True, "ledger written": True,
                    "checkpoint written": False}  # the training is not unfinished
    write_json(run.training_file, {"training": TRAINING, "status": "unfinished", "rounds": 0})
    assert SEEN["checkpoint written"][0](training)
    assert json.loads(run.server.checkpoint_file.with_name("train.json").read_text())["rounds"] == training.rounds()


def test_processes_of_a_run_are_found_by_its_whole_path(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    mine, other = (subprocess.Popen([*command, str(path)]) for path in (run.path / "poc", tmp_path / "runs"))
    try:
        assert [process.pid for process in Training(run, "poc").processes()] == [mine.pid]
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Its environment, once it has one: for a moment after it was started Linux shows an empty one."""
    deadline = time.monotonic() + 10
    while not (environment := process.environ()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return environment


def test_the_command_that_is_tried_is_of_the_code_beside_the_benchmark(tmp_path: Path) -> None:
    training = Training(RunFolder(tmp_path), "sim")  # no study, so that it ends at once
    training.start()
    try:
        path = environment_of(psutil.Process(training.command.pid))["PYTHONPATH"]
        assert (Path(path) / "benchmarks/fault_training.py").samefile(fault_training.__file__)
        assert training.finish() == 2
    finally:
        training.clear()
