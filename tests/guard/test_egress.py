from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import small_study

from fl_components.guard.declaration import declare
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.site import Site
from fl_components.study import Study

STUDY = Study.parse(small_study(), "test")


def make_guard(folder: Path, **policy: object) -> Guard:
    site = Site.parse({"name": "east", "study": "study.toml", "state": str(folder / "state"),
                       "data": {"root": "data", "dialect": "brats2020"}, "policy": policy}, "test")
    return Guard(site, STUDY)


def answer(task: str = "train", value: float = 0.01) -> dict[str, np.ndarray]:
    return {name: np.full(field.shape, value, field.dtype) for name, field in declare(task, STUDY).items()}  # type: ignore[arg-type]


Fields = dict[str, np.ndarray]


def send(guard: Guard, fields: Fields, task: str = "train", round_number: int = 0) -> Fields:
    return guard.release(task, fields, job="job", round_number=round_number)


def test_what_is_declared_leaves_as_new_arrays_and_is_recorded(tmp_path: Path) -> None:
    guard, fields = make_guard(tmp_path), answer()
    passed = send(guard, fields)
    assert set(passed) == set(fields)
    for name, array in passed.items():
        assert not np.shares_memory(array, fields[name])
        np.testing.assert_array_equal(array, fields[name])
    (entry,) = guard.ledger.entries()
    assert entry["decision"] == "sent"
    assert {t["name"] for t in entry["tensors"]} | set(entry["scalars"]) == set(fields)
    assert entry["bytes"] == sum(a.nbytes for a in passed.values())


def test_nothing_of_a_subclassed_array_travels(tmp_path: Path) -> None:
    class Smuggler(np.ndarray):
        secret = "patient"

    fields = answer()
    name = next(iter(fields))
    fields[name] = fields[name].view(Smuggler)
    assert type(send(make_guard(tmp_path), fields)[name]) is np.ndarray


def _damaged(kind: str) -> dict[str, np.ndarray]:
    fields = answer()
    name = next(name for name, value in fields.items() if value.ndim)
    if kind == "extra":
        fields["patient"] = np.zeros(3, np.float32)
    elif kind == "missing":
        del fields[name]
    elif kind == "shape":
        fields[name] = np.zeros((*fields[name].shape, 1), np.float32)
    elif kind == "dtype":
        fields[name] = fields[name].astype(np.float64)
    elif kind == "nan":
        fields[name] = np.full_like(fields[name], np.nan)
    elif kind == "inf":
        fields["loss.l1"] = np.array(np.inf)
    elif kind == "object":
        fields[name] = "text"  # type: ignore[assignment]
    elif kind == "large":
        fields[name] = np.full_like(fields[name], 1e6)
    return fields


@pytest.mark.parametrize(("kind", "words"), [
    ("extra", "'patient' is not declared"), ("missing", "is missing"), ("shape", "has shape"), ("dtype", "has type"),
    ("nan", "NaN or infinity"), ("inf", "NaN or infinity"), ("object", "expected an array"), ("large", "norm"),
])
def test_anything_else_stops_and_is_recorded(tmp_path: Path, kind: str, words: str) -> None:
    guard = make_guard(tmp_path)
    with pytest.raises(EgressRefusedError, match=words):
        send(guard, _damaged(kind))
    (entry,) = guard.ledger.entries()
    assert entry["decision"] == "refused"
    assert words in entry["reason"]
    assert "tensors" not in entry


@pytest.mark.parametrize(("policy", "task", "round_number", "words"), [
    ({"tasks": ["audit"]}, "train", 0, "does not allow"),
    ({"maximum_rounds": 2}, "train", 2, "maximum_rounds"),
    ({"maximum_message_bytes": 100}, "train", 0, "maximum_message_bytes"),
    ({}, "export", 0, "unknown task"),
])
def test_the_sites_policy_decides(tmp_path: Path, policy: dict[str, object], task: str, round_number: int,
                                  words: str) -> None:
    with pytest.raises(EgressRefusedError, match=words):
        send(make_guard(tmp_path, **policy), answer(), task, round_number)


@pytest.mark.parametrize(("n", "leaves"), [(0, True), (4, False), (19, False), (20, True)])
def test_statistics_over_few_subjects_stay(tmp_path: Path, n: int, leaves: bool) -> None:
    guard = make_guard(tmp_path)
    fields = {**answer("audit"), "n_members": np.array(float(n)), "n_holdout": np.array(50.0)}
    if leaves:
        assert send(guard, fields, "audit")["n_members"] == n
    else:
        with pytest.raises(EgressRefusedError, match="minimum_subjects"):
            send(guard, fields, "audit")
