"""What a site refuses before any of a job is built."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from nvflare.apis.app_validation import AppValidationKey
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.fl_exception import UnsafeComponentError

from fl_components.guard.job_checker import JobChecker
from jobs.recipes import CLASS_ALLOW_LIST, SITE_COMPONENTS

TRAIN = CLASS_ALLOW_LIST[0]
HASH = "0123456789abcdef" * 4
PLACE = "executors.#1.executor"
ARGS = {"study_hash": HASH, "training": HASH[:32]}
GOOD = {"path": TRAIN, "args": ARGS}


def check(part: Any = GOOD, place: str = PLACE, byoc: bool = False, **config: Any) -> None:  # noqa: ANN401
    context = FLContext()
    whole = {"format_version": 2, "executors": [{"tasks": ["train"], "executor": part}], **config}
    for key, value in ((FLContextKey.JOB_META, {AppValidationKey.BYOC: byoc}), (FLContextKey.COMPONENT_CONFIG, part),
                       (FLContextKey.COMPONENT_NODE, SimpleNamespace(path=lambda: place)),
                       (FLContextKey.CONFIG_CTX, SimpleNamespace(config_json=whole))):
        context.set_prop(key, value, private=True, sticky=False)
    JobChecker(SITE_COMPONENTS, ["train", "summarise"]).handle_event(EventType.BEFORE_BUILD_COMPONENT, context)


@pytest.mark.parametrize("empty", [{}, {"components": [], "task_result_filters": [], "task_data_filters": []}])
def test_our_own_job_is_not_refused(empty: dict[str, Any]) -> None:
    try:
        check(**empty)
    except UnsafeComponentError as refused:
        pytest.fail(f"refused: {refused}")


@pytest.mark.parametrize("part", [
    {"path": "fl_components.client.executor.SiteExecutor", "args": ARGS},
    {"path": TRAIN + "X", "args": ARGS},
    {"path": CLASS_ALLOW_LIST[3], "args": ARGS},
    {"name": "TrainExecutor", "args": ARGS},
    {"path": [TRAIN], "args": ARGS},
    {**GOOD, "class_attributes": {"x": 1}},
    {"path": TRAIN},
    {"path": TRAIN, "args": {}},
    {"path": TRAIN, "args": [HASH]},
    {"path": TRAIN, "args": {**ARGS, "class_attributes": {}}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": HASH[:-1]}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": HASH + "\n"}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": HASH.upper()}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": "../../etc/passwd"}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": 7}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": {"path": "subprocess.Popen"}}},
    {"path": TRAIN, "args": {**ARGS, "study_hash": None}},
    {"path": TRAIN, "args": {"study_hash": HASH}},
    {"path": TRAIN, "args": {**ARGS, "training": HASH}},
    {"path": TRAIN, "args": {**ARGS, "training": "../" * 10 + "xy"}},
    {"path": CLASS_ALLOW_LIST[1], "args": ARGS},
    {"path": CLASS_ALLOW_LIST[2], "args": ARGS},
    {"path": CLASS_ALLOW_LIST[2], "args": {"study_hash": HASH, "arm": "0"}},
    "text", None, 7, ["path"]])
def test_other_parts_are_refused(part: object) -> None:
    with pytest.raises(UnsafeComponentError):
        check(part)


@pytest.mark.parametrize("place", ["components.#1", "task_result_filters.#1.filters.#1", "executors.#1.executor.args.x",
                                   "executors.#1", "runtime_component", "x.executors.#1.executor", ""])
def test_other_places_are_refused(place: str) -> None:
    with pytest.raises(UnsafeComponentError):
        check(place=place)


@pytest.mark.parametrize("config", [
    {"components": [GOOD]}, {"task_result_filters": [{"tasks": ["train"], "filters": []}]},
    {"task_data_filters": {"x": 1}}, {"executors": [{"tasks": ["*"], "executor": GOOD}]},
    {"executors": [{"tasks": ["train", "audit"], "executor": GOOD}]}, {"executors": [{}]}, {"executors": None}])
def test_other_configurations_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UnsafeComponentError):
        check(**config)


def test_own_code_is_refused() -> None:
    with pytest.raises(UnsafeComponentError, match="code of its own"):
        check(byoc=True)


def test_every_error_is_a_refusal() -> None:
    with pytest.raises(UnsafeComponentError, match="cannot be read"):
        JobChecker(SITE_COMPONENTS, ["train"]).handle_event(EventType.BEFORE_BUILD_COMPONENT, FLContext())


def test_other_events_are_no_business_of_it() -> None:
    assert JobChecker({}, []).handle_event(EventType.START_RUN, FLContext()) is None
