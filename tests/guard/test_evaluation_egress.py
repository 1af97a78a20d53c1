"""What the job "evaluate" may send: means over enough test subjects and updates of segmenters, where a site says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from nvflare.apis.dxo import DXO, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from small_run import ALL_TASKS, small_study
from test_privacy_account import STUDY as PRIVATE

from fl_components.evaluation.arms import arms_of, first_rounds
from fl_components.guard.declaration import EVALUATION, declarations, declare, tensor_norm
from fl_components.guard.egress import EgressRefusedError, Guard
from fl_components.guard.evaluation_fields import is_number, is_test_number
from fl_components.guard.ledger import Ledger
from fl_components.guard.privacy_account import Spending
from fl_components.guard.result_check import KINDS, ResultCheck
from fl_components.guard.seal import Seal
from fl_components.site import Site
from fl_components.study import Study

STUDY = Study.parse(small_study(evaluation={"segmenters": ["segresnet", "pix2pix"]}), "test")
Fields = dict[str, np.ndarray]


def make_site(folder: Path, study: Study = STUDY, **policy: object) -> Site:
    (folder / "study.toml").write_text(study.to_toml())
    (folder / "site.toml").write_text(tomli_w.dumps({
        "name": "east", "study": "study.toml", "state": "state", "data": {"root": "data", "dialect": "brats2020"},
        "policy": {"tasks": list(ALL_TASKS), **policy}}))
    return Site.from_file(folder / "site.toml")


def answer(task: str, round_number: int = 0, subjects: float = 12.0) -> Fields:
    def value(name: str) -> float:
        return subjects if is_test_number(name) else 20.0 if is_number(name) or name == "n_members" else 1e-3

    return {name: np.full(field.shape, value(name), field.dtype)
            for name, field in declare(task, STUDY, round_number).items()}  # type: ignore[arg-type]


def send(site: Site, task: str, fields: Fields, round_number: int = 0) -> Fields:
    return Guard(site, STUDY).release(task, fields, job="job", round_number=round_number)


@pytest.mark.parametrize("task", EVALUATION)
def test_what_is_declared_leaves_and_the_ledger_lists_every_field(tmp_path: Path, task: str) -> None:
    site = make_site(tmp_path)
    fields = answer(task)
    assert set(send(site, task, fields)) == set(fields)
    (entry,) = Ledger(site.ledger).entries()
    assert entry["decision"] == "sent"
    assert {tensor["name"] for tensor in entry["tensors"]} | set(entry["scalars"]) == set(fields)
    assert all(not value.ndim for value in fields.values()) == (task != "segment")


def scores_of_subjects(fields: Fields) -> None:
    """In the place of their mean."""
    fields["dice.whole tumour.score.mean"] = np.full(12, 0.8)


ATTEMPTS: dict[str, tuple[str, Callable[[Fields], object], str]] = {
    "extra_statistic": ("segment_scores", lambda f: f.update({"dice.largest": np.array(0.9)}), "is not declared"),
    "extra_statistic_of_worth": ("evaluate_release", lambda f: f.update({"volume": np.array(1e3)}), "is not declared"),
    "scores_of_subjects": ("segment_scores", scores_of_subjects, "has shape"),
    "names_of_subjects": ("segment_scores", lambda f: f.update({"hd95.core.score.mean": "patient 17"}),
                          "expected an array"),
    "statistic_withheld": ("segment_scores", lambda f: f.pop("dice.whole tumour.score.sd"), "is missing"),
    "extra_tensor": ("segment", lambda f: f.update({"scan": np.zeros((4, 8, 8, 8), np.float32)}), "is not declared"),
    "other_segmenter": ("segment", lambda f: (f.clear(), f.update(answer("segment", first_rounds(STUDY)[1]))),
                        "is not declared"),
    "long_update": ("segment", lambda f: f.update({n: np.full_like(v, 1e3) for n, v in f.items() if v.ndim}), "norm"),
    "few_subjects": ("segment_scores", lambda f: f.update({"hd95.core.difference.n": np.array(9.0)}),
                     "minimum_test_subjects = 10"),
    "few_subjects_of_worth": ("evaluate_release", lambda f: f.update({"realism.n_real": np.array(19.0)}),
                              "minimum_subjects = 20"),
    "few_members": ("evaluate_release", lambda f: f.update({"n_members": np.array(19.0)}), "minimum_subjects = 20"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_anything_else_stops_at_both_walls(tmp_path: Path, attempt: str) -> None:
    task, change, words = ATTEMPTS[attempt]
    site = make_site(tmp_path)
    fields = answer(task)
    change(fields)
    with pytest.raises(EgressRefusedError, match=words):
        send(site, task, fields)
    wall = ResultCheck(Seal(tmp_path / "site.toml"), "site filter")
    reply = wall.passed(DXO(KINDS[task], dict(fields)).to_shareable(), task, "job")
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert [entry["decision"] for entry in Ledger(site.ledger).entries()] == ["refused", "refused"]


@pytest.mark.parametrize("round_number", first_rounds(STUDY))
def test_the_second_wall_passes_the_update_of_every_segmenter_once(tmp_path: Path, round_number: int) -> None:
    site = make_site(tmp_path)
    sent = send(site, "segment", answer("segment", round_number), round_number)
    wall = ResultCheck(Seal(tmp_path / "site.toml"), "site filter")
    replies = [wall.passed(DXO(KINDS["segment"], dict(sent)).to_shareable(), "segment", "job") for _ in range(2)]
    assert [reply.get_return_code() for reply in replies] == [ReturnCode.OK, ReturnCode.EXECUTION_EXCEPTION]
    assert set(from_shareable(replies[0]).data) == set(sent)


def test_a_segmenter_of_another_round_does_not_leave_in_this_one(tmp_path: Path) -> None:
    with pytest.raises(EgressRefusedError, match="is not declared"):
        send(make_site(tmp_path), "segment", answer("segment", 0), first_rounds(STUDY)[1])
    assert len(declarations("segment", STUDY)) == 2
    assert len(declarations("segment_scores", STUDY)) == 1


def test_an_abstention_leaves_whatever_the_minimum(tmp_path: Path) -> None:
    fields = answer("segment_scores", subjects=0.0)
    assert send(make_site(tmp_path, minimum_test_subjects=1000), "segment_scores", fields).keys() == fields.keys()


@pytest.mark.parametrize("task", EVALUATION)
def test_a_policy_that_does_not_name_the_task_refuses_before_anything_is_computed(tmp_path: Path, task: str) -> None:
    site = Site.parse({"name": "east", "study": "study.toml", "state": str(tmp_path / "state"),
                       "data": {"root": "data", "dialect": "brats2020"}}, "test")
    with pytest.raises(EgressRefusedError, match=f"does not allow task '{task}'"):
        Guard(site, STUDY).require_allowed(task, job="job", round_number=0)
    (entry,) = Ledger(site.ledger).entries()
    assert (entry["decision"], entry["task"]) == ("refused", task)


def test_rounds_of_all_arms_count_towards_the_policys_maximum(tmp_path: Path) -> None:
    rounds = len(arms_of(STUDY)) * STUDY.evaluation.rounds
    guard = Guard(make_site(tmp_path, maximum_rounds=rounds - 1), STUDY)
    guard.require_allowed("segment", job="job", round_number=rounds - 2)
    with pytest.raises(EgressRefusedError, match="maximum_rounds"):
        guard.require_allowed("segment", job="job", round_number=rounds - 1)


@pytest.mark.parametrize("task", EVALUATION)
def test_a_private_study_is_not_evaluated_at_a_site_whatever_its_policy_says(tmp_path: Path, task: str) -> None:
    site = make_site(tmp_path, PRIVATE, epsilon=3.0, audit_epsilon=1.0)
    guard = Guard(site, PRIVATE)
    for refused in (lambda: guard.require_allowed(task, job="job", round_number=0),
                    lambda: guard.release(task, {}, job="job", round_number=0)):
        with pytest.raises(EgressRefusedError, match="not on the private mode's list"):
            refused()
    assert {entry["decision"] for entry in Ledger(site.ledger).entries()} == {"refused"}


def test_after_an_evaluation_no_epsilon_can_be_stated_for_the_patients(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    send(site, "segment_scores", answer("segment_scores"))
    assert Spending.of(Ledger(site.ledger).entries()).unaccounted == 1


def test_the_security_page_names_every_attempt_and_its_tests() -> None:
    page = (Path(__file__).parents[2] / "docs/security.md").read_text()
    table = page[page.index("| attempt in an evaluation |"):page.index("### At the door")]
    first, tests = ([re.findall(r"`(\w+)`", line.split(" | ")[column]) for line in table.splitlines()[2:] if line]
                    for column in (0, 2))
    assert sorted(name for names in first for name in names) == sorted(ATTEMPTS)
    sources = "".join((Path(__file__).parents[1] / path).read_text()
                      for path in ("guard/test_evaluation_egress.py", "client/test_evaluate_executor.py"))
    assert [name for names in tests for name in names if f"def {name}(" not in sources] == []


def test_masked_a_segmenters_update_is_whole_numbers_of_its_own_shapes() -> None:
    study = Study.parse(small_study(sites={"a": 1.0, "b": 1.0, "c": 1.0}, federation={"secure_aggregation": True}),
                        "test")
    plain, masked = declare("segment", STUDY), declare("segment", study)
    assert {name: field.shape for name, field in masked.items()} == {name: f.shape for name, f in plain.items()}
    assert {field.dtype for field in masked.values()} == {"uint32"}
    assert tensor_norm({name: np.ones(field.shape, np.uint32) for name, field in masked.items()}) == 0
