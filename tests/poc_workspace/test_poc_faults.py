"""A server killed at its worst moment, in a real federation; all other faults: `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import prepare_run, write_run

from benchmarks.fault_blows import kill
from benchmarks.fault_checks import ledger_problems, rounds_without, unreadable
from benchmarks.fault_moments import at
from benchmarks.fault_training import SERVER, VICTIM, Training
from fl_components.json_file import read_json


@pytest.mark.slow
@pytest.mark.federation
def test_training_goes_on_by_itself_from_a_checkpoint_without_a_result(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sites={"north": 2.0, VICTIM: 1.0, "west": 1.0},
                    training={"rounds": 3, "local_steps": 20}, federation={"rounds_per_job": 1})
    prepare_run(run)
    training = Training(run, "poc")
    training.start()
    try:
        with at("checkpoint written", training):
            kill(SERVER, "both").strike(training)
        assert training.finish() == 0, (run.path / "command.log").read_text()
        assert not training.processes()
    finally:
        training.clear()
    assert [job["rounds"] for job in read_json(run.training_file)["jobs"]][-1] == 3
    assert (rounds_without(run), unreadable(run), ledger_problems(run)) == ([], [], [])
