"""The checkpoint: what was written comes back, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import small_study

from fl_components.server.checkpoint import Checkpoint, read_checkpoint, rounds_done, write_checkpoint
from fl_components.study import Study
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
OTHER = Study.parse(small_study(seed=8), "test")
TRAINING = "ab" * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "server" / "checkpoint.safetensors"
    start = Checkpoint.start(STUDY, TRAINING)
    record = {"curves": [{"round": 1, "site": "east", "loss.l1": 0.1}], "rejected": [], "absent": [],
              "seen": [["a", "b"]]}
    write_checkpoint(path, STUDY, Checkpoint(TRAINING, 3, start.weights, {n: 2 * v for n, v in start.weights.items()},
                                             record))
    return path


def test_what_was_written_comes_back(path: Path) -> None:
    found = read_checkpoint(path, STUDY, TRAINING)
    start = Checkpoint.start(STUDY, TRAINING)
    assert found is not None
    assert (found.training, found.rounds, found.record["seen"]) == (TRAINING, 3, [["a", "b"]])
    assert found.record["curves"][0]["loss.l1"] == 0.1
    assert all(np.array_equal(found.weights[name], value) for name, value in start.weights.items())
    assert all(np.array_equal(found.smoothed[name], 2 * value) for name, value in start.weights.items())
    assert rounds_done(path, TRAINING) == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_trainings_or_studys_is_never_used(path: Path) -> None:
    assert read_checkpoint(path, STUDY, "cd" * 16) is None
    assert read_checkpoint(path, OTHER, TRAINING) is None
    assert rounds_done(path, "cd" * 16) == 0
    assert read_checkpoint(path.with_name("none"), STUDY, TRAINING) is None


@settings(max_examples=60)
@given(data=st.data())
def test_one_changed_byte_or_a_torn_end_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    write_checkpoint(path, STUDY, Checkpoint.start(STUDY, TRAINING))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(content[:place])
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
    assert _read_or_refused(path) is None


def _read_or_refused(path: Path) -> Checkpoint | None:
    """None, too, where the training's or the study's name in the file was hit: then it is another's."""
    try:
        return read_checkpoint(path, STUDY, TRAINING)
    except InputError as error:
        return None if str(path) in str(error) and "\n" not in str(error) else Checkpoint.start(STUDY, TRAINING)
