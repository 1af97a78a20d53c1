"""The controller's rounds, with a federation that answers as told and no NVFlare around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nvflare.app_common.abstract.fl_model import FLModel
from small_run import small_study

from fl_components.guard.declaration import Task, declare
from fl_components.server.ask import MissingSitesError, Replies, ask_round, ask_sites
from fl_components.server.home import ServerHome
from fl_components.server.train_controller import TrainController
from fl_components.study import Study

FOUR = {"a": 5.0, "b": 1.0, "c": 1.0, "d": 1.0}
STUDY = Study.parse(small_study(sites=FOUR), "test")
DATA = {"none": np.zeros(1, np.float32)}
TRAINING = "a" * 32
Behaviour = Callable[[str, str, int], list[Any]]


def reply(site: str, params: object, round_number: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(meta={"client_name": site}, params=params, current_round=round_number)


def honest(site: str, task: Task, round_number: int) -> dict[str, np.ndarray]:
    value = 0.01 * (1 + ord(site[0]) - ord("a")) + 0.001 * round_number
    return {name: np.full(field.shape, value, field.dtype) for name, field in declare(task, STUDY).items()}


def federate(controller: TrainController, behaviour: Behaviour) -> TrainController:
    """Every site asked answers what `behaviour(site, task, round)` lists."""
    def send(task_name: str, data: FLModel, targets: Sequence[str], **_: object) -> list[Any]:
        return [answer for site in targets for answer in behaviour(site, task_name, data.current_round)]

    controller.send_model_and_wait = send
    return controller


def normal(site: str, task: Any, round_number: int) -> list[Any]:  # noqa: ANN401 - a Task, as NVFlare names it
    return [reply(site, honest(site, task, round_number))]


def trained(home: Path, behaviour: Behaviour, study: Study = STUDY, sites: Sequence[str] = tuple(FOUR),
            until: int = 2) -> dict[str, Any]:
    controller = federate(TrainController(study.hash, TRAINING, sites, until), behaviour)
    server = ServerHome(home)
    controller.carry_out(study, server)
    return server.result("train")


def test_a_clean_run_rejects_nobody(tmp_path: Path) -> None:
    result = trained(tmp_path, normal)
    assert (result["status"], result["rejected"], result["absent"]) == ("done", [], [])
    assert [(row["round"], row["site"]) for row in result["curves"]] == [(r, s) for r in (1, 2) for s in FOUR]


def test_training_goes_on_without_the_rejected_and_the_absent(tmp_path: Path) -> None:
    def behaviour(site: str, task: str, round_number: int) -> list[Any]:
        if task == "train" and site == "b" and round_number == 0:
            return [reply(site, {name: value * np.nan for name, value in honest(site, "train", 0).items()})]
        if task == "train" and site == "c" and round_number == 1:
            return []
        return normal(site, task, round_number)

    result = trained(tmp_path, behaviour)
    assert (result["status"], result["missing"]) == ("done", ["c"])
    assert [(row["round"], row["site"]) for row in result["rejected"]] == [(1, "b")]
    assert "NaN" in result["rejected"][0]["reason"]
    assert result["absent"] == [{"round": 2, "site": "c"}]
    assert [row["site"] for row in result["curves"] if row["round"] == 2] == ["a", "b", "d"]
    assert all(np.isfinite(value).all() for value in ServerHome(tmp_path).load_generator().values())
    json.dumps(result, allow_nan=False)


def test_below_the_minimum_the_job_fails_with_names(tmp_path: Path) -> None:
    def behaviour(site: str, task: str, round_number: int) -> list[Any]:
        return [] if task == "train" and site in "bd" else normal(site, task, round_number)

    with pytest.raises(MissingSitesError, match=r"2 admitted.*from site\(s\) b, d") as error:
        trained(tmp_path, behaviour)
    assert error.value.sites == ("b", "d")
    assert not ServerHome(tmp_path).generator_file.exists()


def test_the_average_is_of_the_sites_left_by_the_studys_weights(tmp_path: Path) -> None:
    def claiming(site: str, task: str, round_number: int) -> list[Any]:
        if task == "train" and site == "b":
            return []
        [answer] = normal(site, task, round_number)
        answer.meta |= {"weight": 1e9, "NUM_STEPS_CURRENT_ROUND": 10**9}
        return [answer]

    def equal(site: str, task: str, round_number: int) -> list[Any]:
        """All send what the weighted mean of a, c and d is."""
        if task != "train":
            return normal(site, task, round_number)
        value = np.float32((5 * 0.01 + 0.03 + 0.04) / 7 + 0.001 * round_number)
        return [reply(site, {name: np.full_like(tensor, value) for name, tensor in honest(site, "train", 0).items()})]

    trained(tmp_path / "one", claiming)
    trained(tmp_path / "two", equal, until=1)
    one, two = (ServerHome(tmp_path / name).load_generator() for name in ("one", "two"))
    for name in one:
        np.testing.assert_allclose(one[name], two[name], atol=1e-6)


def test_a_round_is_not_begun_with_a_site_that_gave_no_summary(tmp_path: Path) -> None:
    def behaviour(site: str, task: str, round_number: int) -> list[Any]:
        return [] if task == "summarise" and site == "d" else normal(site, task, round_number)

    result = trained(tmp_path, behaviour)
    assert (result["status"], result["rounds"], result["missing"]) == ("paused", 0, ["d"])
    assert result["population"] == ["a", "b", "c"]
    result = trained(tmp_path, behaviour, sites="abc")
    assert (result["status"], result["rounds"], result["missing"]) == ("done", 2, [])
    assert result["population"] == ["a", "b", "c"]


def test_without_summaries_of_enough_sites_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(MissingSitesError, match=r"no contrast summary from site\(s\) c, d") as error:
        trained(tmp_path, lambda site, task, number: [] if site in "cd" else normal(site, task, number))
    assert error.value.sites == ("c", "d")


def ask(answers: list[Any], round_number: int = 0) -> Replies:
    controller = TrainController(STUDY.hash, TRAINING, tuple(FOUR), 2)
    controller.send_model_and_wait = lambda **_: answers
    return ask_round(controller, STUDY, tuple(FOUR), "train", DATA, round_number)


def test_who_was_not_asked_is_ignored_and_named() -> None:
    replies = ask([reply("a", DATA), reply("stranger", DATA)])
    assert list(replies.answers) == ["a"]
    assert replies.absent == ["b", "c", "d"]
    assert replies.refused == [("stranger", "it was not asked")]


def test_a_claimed_older_round_is_refused_and_not_called_absent() -> None:
    replies = ask([reply("a", DATA, 2), reply("b", DATA, 1), reply("c", DATA, "x" * 999)], 2)  # type: ignore[arg-type]
    assert list(replies.answers) == ["a"]
    assert replies.absent == ["d"]
    assert replies.refused[0] == ("b", "it claims to be of round 2, not 3")
    assert len(replies.refused[1][1]) < 80


def test_the_first_of_two_answers_counts() -> None:
    second = {"none": np.ones(1, np.float32)}
    replies = ask([reply("a", DATA), reply("a", second)])
    assert replies.answers["a"]["none"] == 0
    assert replies.refused == [("a", "it answered twice; its first answer counts")]


@pytest.mark.parametrize("params", [None, [1, 2], "text", {3: np.zeros(1)}])
def test_a_reply_without_a_table_of_fields_is_for_admission_to_refuse(params: object) -> None:
    assert set(ask([reply("a", params)]).answers["a"]) <= {"3"}


def test_where_all_are_needed_a_refused_reply_is_named() -> None:
    controller = TrainController(STUDY.hash, TRAINING, tuple(FOUR), 2)
    controller.send_model_and_wait = lambda **_: [reply(site, DATA) for site in (*FOUR, "stranger")]
    with pytest.raises(RuntimeError, match="site 'stranger': its answer to 'audit' is refused: it was not asked"):
        ask_sites(controller, STUDY, tuple(FOUR), "audit", DATA, 0)
