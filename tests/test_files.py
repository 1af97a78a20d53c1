"""Files that must never be seen half-written: JSON, prepared subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import CONTRAST

from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.environment import RUN_VARIABLE, run_folder
from fl_components.json_file import read_json, write_json
from privacy_eval.errors import InputError


def test_json_round_trips_and_leaves_no_partial(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"b": [1, 2.5], "a": None})
    assert read_json(path) == {"a": None, "b": [1, 2.5]}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_json_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, float("nan"))
    assert read_json(path) == 1


def test_missing_and_damaged_json_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run the step that writes it"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        read_json(tmp_path / "bad.json")


def test_subject_round_trips(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    subject = Subject("case", rng.random((4, 5, 6, 7), np.float32), rng.integers(0, 7, (5, 6, 7)).astype(np.uint8),
                      Contrast(CONTRAST.astype(np.float32), np.ones(6, bool)))
    loaded = Subject.load(subject.save(tmp_path))
    np.testing.assert_allclose(loaded.images, subject.images, atol=1e-3)
    np.testing.assert_array_equal(loaded.labels, subject.labels)
    np.testing.assert_array_equal(loaded.contrast.mean, subject.contrast.mean)
    assert [p.name for p in tmp_path.iterdir()] == ["case.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half"])
def test_damaged_subject_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "case.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="prepare the cohort again"):
        Subject.load(path)


def test_the_run_folder_comes_from_the_process_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    with pytest.raises(InputError, match="is not set"):
        run_folder()
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match="no such folder"):
        run_folder()
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path))
    assert run_folder() == tmp_path
