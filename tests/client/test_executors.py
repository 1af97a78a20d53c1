from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from site_context import JobContext
from small_run import CONTRAST, prepare_run, write_run
from threadpoolctl import threadpool_info, threadpool_limits

from fl_components.client.audit_executor import AuditExecutor
from fl_components.client.generator_errors import painting_error
from fl_components.client.heartbeat import Heartbeat, heartbeat_file
from fl_components.client.train_executor import TrainExecutor, summarise_contrast
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.environment import RUN_VARIABLE
from fl_components.guard.declaration import declare, tensor_norm
from fl_components.guard.ledger import Ledger
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.admission import update_refusal
from fl_components.training.states import latest_state, load_state, training_folder
from jobs.run_folder import RunFolder

TRAINING = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("executors") / "run", subjects=13)
    prepare_run(run)
    return run


def ask(run: RunFolder, executor: TrainExecutor | AuditExecutor, task: str, data: dict[str, np.ndarray],
        monkeypatch: pytest.MonkeyPatch) -> Shareable:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    return executor.execute(task, DXO(DataKind.WEIGHTS, data=data).to_shareable(), JobContext("east"), Signal())


def test_training_answers_with_the_declared_fields(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study = run.study()
    reply = ask(run, TrainExecutor(study.hash, TRAINING), "train", weights_of(build_generator(study)), monkeypatch)
    assert set(from_shareable(reply).data) == set(declare("train", study))
    assert from_shareable(reply).data_kind == DataKind.WEIGHT_DIFF
    beat = json.loads(heartbeat_file(run.site_folder("east") / "state").read_text())
    assert beat["done"] == beat["steps"] == study.training.local_steps
    assert "cpu" in beat["precision"] or "cuda" in beat["precision"]


def test_an_update_longer_than_agreed_is_scaled_to_the_bound(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study = run.study()
    weights = weights_of(build_generator(study))
    tight = study.model_copy(update={"federation": study.federation.model_copy(update={"update_norm_bound": 1e-3})})
    plain = from_shareable(ask(run, TrainExecutor(study.hash, TRAINING), "train", weights, monkeypatch)).data
    with monkeypatch.context() as patch:
        patch.setattr("fl_components.client.open_site.Study.from_file", lambda _: tight)
        short = from_shareable(ask(run, TrainExecutor(tight.hash, TRAINING), "train", weights, monkeypatch)).data
    assert tensor_norm(plain) > 1e-3 >= tensor_norm(short) > 0.999e-3
    factor = 1e-3 / tensor_norm(plain)
    for name in weights:
        np.testing.assert_allclose(short[name], plain[name] * factor, rtol=1e-3, atol=1e-9)
    assert update_refusal(tight, "east", short) is None


def test_numpy_and_scikit_learn_take_no_more_threads_than_the_site_gives(
        run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def look(*_: object) -> dict[str, np.ndarray]:
        found.extend(pool["num_threads"] for pool in threadpool_info())
        return {}

    monkeypatch.setattr(TrainExecutor, "answer", look)
    with threadpool_limits(2):
        assert max(pool["num_threads"] for pool in threadpool_info()) == 2
        ask(run, TrainExecutor(run.study().hash, TRAINING), "train", {"x": np.zeros(1)}, monkeypatch)
    assert set(found) == {next(iter(run.sites(run.study()))).compute.threads} == {1}


@pytest.mark.parametrize("module", ["client.train_executor", "client.audit_executor", "server.train_controller"])
def test_a_job_begins_without_opacus(module: str) -> None:
    """It takes a second to import, and only private studies need it."""
    code = f"import sys, fl_components.{module}; sys.exit('opacus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("task", ["audit", "export", ""])
def test_other_tasks_are_unknown(run: RunFolder, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = ask(run, TrainExecutor(run.study().hash, TRAINING), task, {"x": np.zeros(1)}, monkeypatch)
    assert reply.get_return_code() == ReturnCode.TASK_UNKNOWN


def test_a_failure_leaves_no_text_in_the_reply(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = ask(run, TrainExecutor(run.study().hash, TRAINING), "train", {"secret-name": np.zeros(1)}, monkeypatch)
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "secret-name" not in str(dict(reply))
    beat = json.loads(heartbeat_file(run.site_folder("east") / "state").read_text())
    assert beat["failure"]


def test_weights_of_no_honest_server_are_not_trained(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study = run.study()
    weights = {name: value + np.float32(0.1) for name, value in weights_of(build_generator(study)).items()}
    reply = ask(run, TrainExecutor(study.hash, TRAINING), "train", weights, monkeypatch)
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    beat = json.loads(heartbeat_file(run.site_folder("east") / "state").read_text())
    assert "not the one the study's seed gives" in beat["failure"]


def test_a_full_disk_costs_the_round_and_nothing_else(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study, training = run.study(), "f" * 32
    weights = weights_of(build_generator(study))
    ledger = Ledger(run.site_folder("east") / "ledger.jsonl")
    before = len(ledger.entries())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        reply = ask(run, TrainExecutor(study.hash, training), "train", weights, monkeypatch)
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert len(ledger.entries()) == before
    folder = training_folder(run.site_folder("east") / "state", training)
    assert load_state(folder, 1) is None
    again, once_more = (
        from_shareable(ask(run, TrainExecutor(study.hash, training), "train", weights, monkeypatch)).data
        for _ in range(2))
    assert all(np.array_equal(value, once_more[name]) for name, value in again.items())
    assert ledger.check().problem is None


def test_states_of_an_earlier_training_go_with_the_first_task(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    study, state = run.study(), run.site_folder("east") / "state"
    weights = weights_of(build_generator(study))
    for training in ("1" * 32, "2" * 32):
        ask(run, TrainExecutor(study.hash, training), "train", weights, monkeypatch)
    assert not training_folder(state, "1" * 32).exists()
    assert latest_state(state) == training_folder(state, "2" * 32) / "round-0001.pt"


def test_constructor_arguments_are_attributes() -> None:
    """NVFlare exports an argument only where an attribute has its name, and silently drops it elsewhere."""
    for executor in (TrainExecutor("h", TRAINING), AuditExecutor("h")):
        assert executor.study_hash == "h"
    assert TrainExecutor("h", TRAINING).training == TRAINING


@settings(max_examples=30)
@given(present=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=4, max_size=9))
def test_contrast_summary_is_the_mean_of_those_who_have_the_tissue(present: list[list[bool]]) -> None:
    rng = np.random.default_rng(len(present))
    means = CONTRAST + rng.normal(0, 0.05, (len(present), 6, 4))
    blank = np.zeros((1, 1, 1), np.uint8)
    subjects = [Subject(str(k), blank, blank, Contrast((m * np.array(p)[:, None]).astype(np.float32), np.array(p)))
                for k, (m, p) in enumerate(zip(means, present, strict=True))]
    summary = summarise_contrast(subjects, minimum_count=3)
    for tissue in range(6):
        who = [k for k, p in enumerate(present) if p[tissue]]
        if len(who) < 3:
            assert summary["contrast.count"][tissue] == 0
            assert not summary["contrast.mean"][tissue].any()
            assert not summary["contrast.spread"][tissue].any()
        else:
            assert summary["contrast.count"][tissue] == len(who)
            np.testing.assert_allclose(summary["contrast.mean"][tissue], means[who, tissue].mean(0), atol=1e-5)
            np.testing.assert_allclose(summary["contrast.spread"][tissue], means[who, tissue].std(0), atol=1e-5)
    assert summary["n_members"] == len(present)


def test_painting_error_is_the_distance_to_the_contrast() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3] = 3
    images = np.where(labels > 0, np.float32(0.5), np.float32(9.0))[None].repeat(4, 0)
    contrast = Contrast(np.full((6, 4), 0.4, np.float32), np.ones(6, bool))
    assert painting_error(Subject("a", images, labels, contrast)) == pytest.approx(0.1, abs=1e-6)


def test_heartbeat_tells_task_progress_and_failure(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path)
    beat.begin("train", 1, 10)
    beat.step(10)
    assert json.loads(beat.path.read_text())["done"] == 10
    beat.fail("disk full")
    content = json.loads(beat.path.read_text())
    assert (content["task"], content["round"], content["failure"]) == ("train", 1, "disk full")
