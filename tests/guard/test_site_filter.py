"""The site's own filter: what is declared and recorded passes, rebuilt; all else becomes a bare failure."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tomli_w
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from small_run import small_study

from fl_components.client.audit_executor import AuditExecutor
from fl_components.client.evaluate_executor import EvaluateExecutor
from fl_components.client.train_executor import TrainExecutor
from fl_components.guard.declaration import Task, declare
from fl_components.guard.egress import Guard
from fl_components.guard.result_check import KINDS
from fl_components.guard.site_filter import SiteFilter
from fl_components.site import Site
from fl_components.study import Study

STUDY = Study.parse(small_study(), "test")
TASKS = ["summarise", "train", "audit_keys", "audit"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "study.toml").write_text(tomli_w.dumps(small_study()))
    (tmp_path / "site.toml").write_text(tomli_w.dumps({
        "name": "east", "study": "study.toml", "state": "state", "data": {"root": "data", "dialect": "brats2020"},
        "policy": {"maximum_rounds": 2}}))
    return Site.from_file(tmp_path / "site.toml")


def context(task: str = "train", job: str = "job") -> FLContext:
    made = FLContext()
    made.set_prop(FLContextKey.TASK_NAME, task, private=True, sticky=False)
    made.set_prop(ReservedKey.RUN_NUM, job, private=False, sticky=False)
    return made


def fields(site: Site, task: str = "train", value: float = 1e-3) -> dict[str, np.ndarray]:
    made = {name: np.full(field.shape, value, field.dtype) for name, field in declare(task, STUDY).items()}  # type: ignore[arg-type]
    return Guard(site, STUDY).release(task, made, job="job", round_number=0)


def filtered(site: Site, result: Shareable, tasks: list[str] | None = None, **named: str) -> Shareable:
    return SiteFilter(str(site.study.parent / "site.toml"), TASKS if tasks is None else tasks).process(
        result, context(**named))


def assert_bare(reply: Shareable, code: str = ReturnCode.EXECUTION_EXCEPTION) -> None:
    assert dict(reply) == dict(make_reply(code))


def test_it_is_no_dxo_filter() -> None:
    assert SiteFilter.__mro__[1] is Filter


def test_every_executors_task_has_a_kind() -> None:
    tasks = [TrainExecutor("0" * 64, "0" * 32).tasks(), AuditExecutor("0" * 64).tasks(),
             EvaluateExecutor("0" * 64).tasks()]
    assert set().union(*tasks) == set(KINDS) == set(get_args(Task))


def test_recorded_answer_passes_without_anything_more(site: Site) -> None:
    answer = fields(site)
    result = DXO(DataKind.WEIGHT_DIFF, data=answer, meta={"note": "patient"}).to_shareable()
    result.set_header("note", "patient")
    result.set_cookie_jar({"note": "patient"})
    result["note"] = "patient"
    passed = filtered(site, result)
    expected = DXO(DataKind.WEIGHT_DIFF, data={}).to_shareable()
    assert set(passed) == set(expected)
    assert "patient" not in repr({name: value for name, value in passed.items() if name != "DXO"})
    assert from_shareable(passed).meta == {}
    for name, value in from_shareable(passed).data.items():
        np.testing.assert_array_equal(value, answer[name])
        assert not np.shares_memory(value, answer[name])


@pytest.mark.parametrize("kind", [DataKind.WEIGHTS, DataKind.STATISTICS, DataKind.METRICS])
def test_another_kind_is_stopped(site: Site, kind: str) -> None:
    assert_bare(filtered(site, DXO(kind, data=fields(site)).to_shareable()))


def test_what_the_ledger_does_not_know_is_stopped(site: Site) -> None:
    answer = fields(site)
    name = next(iter(answer))
    answer[name] = answer[name] * np.float32(1.0001)
    assert_bare(filtered(site, DXO(DataKind.WEIGHT_DIFF, data=answer).to_shareable()))
    assert Guard(site, STUDY).ledger.entries()[-1]["wall"] == "site filter"
    assert Guard(site, STUDY).ledger.verify() is None


def test_an_answer_of_another_job_is_stopped(site: Site) -> None:
    assert_bare(filtered(site, DXO(DataKind.WEIGHT_DIFF, data=fields(site)).to_shareable(), job="other"))


def test_an_answer_passes_once(site: Site) -> None:
    gate = SiteFilter(str(site.study.parent / "site.toml"), TASKS)
    result = DXO(DataKind.WEIGHT_DIFF, data=fields(site)).to_shareable()
    assert gate.process(result, context()).get_return_code() == ReturnCode.OK
    assert_bare(gate.process(result, context()))


def test_rounds_are_counted_whatever_number_the_server_gives(site: Site) -> None:
    gate = SiteFilter(str(site.study.parent / "site.toml"), TASKS)
    codes = [gate.process(DXO(DataKind.WEIGHT_DIFF, data=fields(site, value=value)).to_shareable(),
                          context()).get_return_code() for value in (1e-3, 2e-3, 3e-3)]
    assert codes == [ReturnCode.OK, ReturnCode.OK, ReturnCode.EXECUTION_EXCEPTION]


@pytest.mark.parametrize(("code", "passes"), [
    (ReturnCode.TASK_ABORTED, True), (ReturnCode.TASK_UNKNOWN, True), (ReturnCode.EXECUTION_EXCEPTION, True),
    ("patient 17", False), (17, False)])
def test_failures_pass_as_bare_known_codes(site: Site, code: str, passes: bool) -> None:
    reply = make_reply(code, headers={"note": "patient"})
    reply["note"] = "patient"
    assert_bare(filtered(site, reply), code if passes else ReturnCode.EXECUTION_EXCEPTION)


@pytest.mark.parametrize("tasks", [[], ["*"], ["audit"]])
def test_a_task_that_is_not_named_sends_nothing(site: Site, tasks: list[str]) -> None:
    assert_bare(filtered(site, DXO(DataKind.WEIGHT_DIFF, data=fields(site)).to_shareable(), tasks))


@pytest.mark.parametrize("result", [Shareable(), Shareable({"x": "patient"}), Shareable({"DXO": "patient"})])
def test_what_holds_no_dxo_is_stopped(site: Site, result: Shareable) -> None:
    assert_bare(filtered(site, result))


def test_without_a_policy_nothing_passes(site: Site) -> None:
    result = DXO(DataKind.WEIGHT_DIFF, data=fields(site)).to_shareable()
    (site.study.parent / "site.toml").unlink()
    assert_bare(filtered(site, result))
