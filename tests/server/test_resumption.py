"""A training that was cut off anywhere, and gone on with, is bit by bit the one that was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nvflare.app_common.abstract.fl_model import FLModel
from small_run import CONTRAST, small_study

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.guard.declaration import declare
from fl_components.json_file import read_json
from fl_components.server import train_controller
from fl_components.server.checkpoint import rounds_done
from fl_components.server.home import ServerHome
from fl_components.server.train_controller import TrainController
from fl_components.study import Study
from fl_components.training.local import LocalTrainer

SITES = ("east", "west")
STUDY = Study.parse(small_study(training={"rounds": 3, "local_steps": 2, "ema_decay": 0.7}), "test")
TRAINING = "ab" * 16
Sites = Callable[[str, str, FLModel], dict[str, np.ndarray]]


class Killed(BaseException):
    """As kill -9: nothing of ours catches it."""


class Fuse:
    """Raises `Killed` at the n-th time that anything wrapped by it is called."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, function: Callable[..., Any], after: bool = False) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self.left -= 1
            if after and self.left == 0:
                function(*arguments, **named)
            if self.left == 0:
                raise Killed
            return function(*arguments, **named)

        return call


def formula(site: str, task: str, model: FLModel) -> dict[str, np.ndarray]:
    """An update that depends on the weights received, the site and the round."""
    fields = declare("summarise" if task == "summarise" else "train", STUDY)
    shift = np.float32(0.01 * (1 + SITES.index(site)) + 0.001 * model.current_round)
    return {name: (0.1 * model.params[name] + shift).astype(field.dtype) if name in model.params
            else np.full(field.shape, abs(shift), field.dtype) for name, field in fields.items()}


def run_job(folder: Path, sites: Sites = formula, until: int = 3, fuse: Fuse | None = None,
            asked: Sequence[str] = SITES) -> dict[str, Any]:
    controller = TrainController(STUDY.hash, TRAINING, asked, until)

    def send(task_name: str, data: FLModel, targets: Sequence[str], **_: object) -> list[Any]:
        return [SimpleNamespace(meta={"client_name": site}, params=sites(site, task_name, data), current_round=None)
                for site in targets]

    controller.send_model_and_wait = fuse(send) if fuse else send
    server = ServerHome(folder)
    controller.carry_out(STUDY, server)
    return server.result("train")


def same(one: Path, other: Path) -> bool:
    """Result and generator, bit by bit."""
    first, second = ServerHome(one), ServerHome(other)
    weights = second.load_generator()
    return first.result("train") == second.result("train") and all(
        np.array_equal(value, weights[name]) for name, value in first.load_generator().items())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing happened to."""
    folder = tmp_path_factory.mktemp("plain")
    run_job(folder)
    return folder


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("calls", range(1, 16))
def test_killed_anywhere_at_most_a_round_is_lost_and_nothing_differs(
        plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, place: str) -> None:
    fuse = Fuse(calls)
    with monkeypatch.context() as patch:
        patch.setattr(train_controller, "write_checkpoint", fuse(train_controller.write_checkpoint, place == "after"))
        for name in ("save_generator", "write_result"):
            patch.setattr(ServerHome, name, fuse(getattr(ServerHome, name), place == "after"))
        with pytest.raises(Killed):
            run_job(tmp_path / "killed", fuse=fuse)
    server = ServerHome(tmp_path / "killed")
    kept, told = rounds_done(server.checkpoint_file, TRAINING), 0
    if server.result_file("train").exists():
        told = server.result("train")["rounds"]
    assert told <= kept <= told + 1  # what was said is on disk
    run_job(tmp_path / "killed")
    assert same(tmp_path / "killed", plain)


@pytest.mark.parametrize("cuts", [(1, 2), (2, 2)])
def test_in_several_jobs_as_in_one(plain: Path, tmp_path: Path, cuts: Sequence[int]) -> None:
    expected = ServerHome(plain).result("train")
    for until in cuts:
        part = run_job(tmp_path / "parts", until=until)
        assert (part["status"], part["rounds"], part["missing"]) == ("paused", until, [])
    assert run_job(tmp_path / "parts") == expected
    assert run_job(tmp_path / "parts") == expected  # also of a training that is done


def test_each_site_is_asked_for_its_summary_once_in_a_training(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def noting(site: str, task: str, model: FLModel) -> dict[str, np.ndarray]:
        asked.append((site, task))
        return formula(site, task, model)

    run_job(tmp_path, noting, until=1)
    run_job(tmp_path, noting)
    assert [site for site, task in asked if task == "summarise"] == ["east", "west"]
    kept = read_json(ServerHome(tmp_path).population_file)
    assert {summary["training"] for summary in kept.values()} == {TRAINING}


def test_a_repeated_update_is_known_over_jobs(tmp_path: Path) -> None:
    def repeating(site: str, task: str, model: FLModel) -> dict[str, np.ndarray]:
        fields = formula(site, task, model)
        return {name: np.full_like(value, 0.01) for name, value in fields.items()} if site == "west" else fields

    run_job(tmp_path, repeating, until=1)
    with pytest.raises(RuntimeError, match="it repeats an update of an earlier round"):
        run_job(tmp_path, repeating)


def test_real_training_cut_off_is_the_same_bit_by_bit(tmp_path: Path) -> None:
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    members: dict[str, list[Subject]] = {}
    for index, site in enumerate(SITES):
        rng = np.random.default_rng(index)
        labels = [AnatomySampler(STUDY.grid).sample(rng).labels for _ in range(2)]
        members[site] = [Subject(site, paint(label, contrast), label, contrast) for label in labels]

    def trainers(folder: Path) -> Sites:
        """New ones for every job, as new processes are; their states stay on disk."""
        local = {site: LocalTrainer(STUDY, members[site], folder / site, seed)
                 for seed, site in enumerate(SITES, 1)}

        def answer(site: str, task: str, model: FLModel) -> dict[str, np.ndarray]:
            if task == "summarise":
                return formula(site, task, model)
            result = local[site].train(model.params, model.current_round, 2)
            losses = result.losses._asdict()
            return {**result.update, **{f"loss.{name}": np.array(value) for name, value in losses.items()}}

        return answer

    run_job(tmp_path / "plain", trainers(tmp_path / "plain-sites"))
    sites = trainers(tmp_path / "killed-sites")

    def lost(site: str, task: str, model: FLModel) -> dict[str, np.ndarray]:
        answer = sites(site, task, model)
        if site == "west" and model.current_round == 1:
            raise Killed  # both sites have trained the second round, the server never got it
        return answer

    with pytest.raises(Killed):
        run_job(tmp_path / "killed", lost)
    run_job(tmp_path / "killed", trainers(tmp_path / "killed-sites"))
    assert same(tmp_path / "killed", tmp_path / "plain")
