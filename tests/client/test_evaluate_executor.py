"""An evaluation at a site, without NVFlare: declared means leave, and nobody asks out of turn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from evaluation_case import evaluation_run, painted
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.app_common.app_constant import AppConstants
from site_context import JobContext

from fl_components.client.evaluate_executor import EvaluateExecutor
from fl_components.client.heartbeat import heartbeat_file
from fl_components.client.images_sent import RELEASE, images_sent
from fl_components.cohort.cohort import Cohort
from fl_components.environment import RUN_VARIABLE
from fl_components.evaluation.compare import Moments
from fl_components.evaluation.site_scores import moments_of
from fl_components.evaluation.worth import anatomy_statistics, realism_of
from fl_components.guard.declaration import declare, tensor_norm
from fl_components.guard.ledger import Ledger
from fl_components.networks.segmenter import build_segmenter
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Study
from fl_components.vocabulary import REGIONS
from jobs.run_folder import RunFolder
from privacy_eval.spaces.images import ImageSet

SETTINGS = {"rounds": 2, "steps": 2, "seeds": [0, 4]}
Fields = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return evaluation_run(tmp_path_factory.mktemp("evaluate") / "run", subjects=20, sites={"east": 1.0},
                          evaluation=SETTINGS)


@pytest.fixture(autouse=True)
def here(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))


def ask(executor: EvaluateExecutor, task: str, data: Fields, round_number: int = 0) -> Shareable:
    question = DXO(DataKind.WEIGHTS, data=data).to_shareable()
    question.set_header(AppConstants.CURRENT_ROUND, round_number)
    return executor.execute(task, question, JobContext("east"), Signal())


def told(reply: Shareable) -> Fields:
    assert reply.get_return_code() == ReturnCode.OK
    return dict(from_shareable(reply).data)


def failure(run: RunFolder) -> str:
    return str(json.loads(heartbeat_file(run.site_folder("east") / "state").read_text())["failure"])


def begun(study: Study, release: ImageSet | None = None) -> tuple[EvaluateExecutor, Fields]:
    executor = EvaluateExecutor(study.hash)
    return executor, told(ask(executor, "evaluate_release", images_sent(RELEASE, release or painted(study, 8))))


def trained(executor: EvaluateExecutor, start: Weights, arm: int, rounds: int = 2) -> Weights:
    weights = start
    for number in range(2 * arm, 2 * arm + rounds):
        update = told(ask(executor, "segment", weights, number))
        assert 0 < tensor_norm(update) <= 20
        weights = {name: weights[name] + update[name] for name in weights}
    return weights


def start(seed: int = 0) -> Weights:
    return weights_of(build_segmenter("segresnet", seed))


def test_a_whole_evaluation_leaves_what_is_declared_and_the_ledger_lists_it(run: RunFolder) -> None:
    study = run.study()
    executor, worth = begun(study)
    scalars = {name: float(value) for name, value in worth.items()}
    assert scalars["n_members"] == 8
    assert realism_of("east", {k: v for k, v in scalars.items() if k != "n_members"}).n_real == 12  # holdout and test
    assert anatomy_statistics(scalars)["brain_ml"].n_holdout == 12
    scores = []
    for arm, seed in enumerate((0, 0, 4, 4)):  # real, synthetic only; then the same with the other seed
        weights = trained(executor, start(seed), arm)
        scores.append(told(ask(executor, "segment_scores", weights, 2 * arm + 1)))
    means = [{name: float(value) for name, value in one.items()} for one in scores]
    for one in means:
        score = moments_of(one, "dice", "whole tumour", "score")
        assert score is not None
        assert (score.n, 0 <= score.mean <= 1) == (4, True)
    assert [moments_of(one, "dice", "whole tumour", "difference") is None for one in means] == [True, False] * 2
    paired = moments_of(means[1], "dice", "whole tumour", "difference")
    whole = [moments_of(one, "dice", "whole tumour", "score") for one in means[:2]]
    assert isinstance(paired, Moments)
    assert paired.mean == pytest.approx(whole[1].mean - whole[0].mean)  # type: ignore[union-attr]
    entries = Ledger(run.site_folder("east") / "ledger.jsonl").entries()
    assert [entry["task"] for entry in entries] == ["evaluate_release", *["segment", "segment", "segment_scores"] * 4]
    for entry in entries:
        names = {tensor["name"] for tensor in entry["tensors"]} | set(entry["scalars"])
        assert names == set(declare(entry["task"], study, entry["round"]))


def test_out_of_turn_nothing_is_answered(run: RunFolder) -> None:
    executor = EvaluateExecutor(run.study().hash)
    assert ask(executor, "segment", start()).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "before it sent the release" in failure(run)
    executor, _ = begun(run.study())
    for task, data, number, words in (
            ("evaluate_release", images_sent(RELEASE, painted(run.study(), 2)), 0, "twice"),
            ("segment_scores", start(), 0, "only a whole training is scored"),
            ("segment", start(), 8, "more than was agreed on"),
            ("segment_scores", start(), 3, "before those of 'real'")):
        assert ask(executor, task, data, number).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
        assert words in failure(run)
    weights = trained(executor, start(), 0)
    told(ask(executor, "segment_scores", weights, 1))
    ask(executor, "segment_scores", weights, 1)
    assert "scored once" in failure(run)


def test_weights_that_no_honest_rounds_lead_to_are_neither_trained_nor_scored(run: RunFolder) -> None:
    executor, _ = begun(run.study())
    ask(executor, "segment", start(seed=3))
    assert "not the one the study's seed gives" in failure(run)
    far = {name: value + np.float32(1) for name, value in start().items()}
    for task, number in (("segment", 1), ("segment_scores", 1)):
        ask(executor, task, far, number)
        assert "the study's bounds allow" in failure(run)


def test_a_release_of_another_grid_is_named(run: RunFolder) -> None:
    release = painted(run.study(), 2)
    ask(EvaluateExecutor(run.study().hash), "evaluate_release",
        images_sent(RELEASE, ImageSet(release.images[..., 1:], release.labels[..., 1:])))  # type: ignore[index]
    assert "volumes of 4×24×28×23" in failure(run)
    assert "of another study" in failure(run)


@pytest.mark.parametrize(("line", "words"), [
    ('tumours = "none"', "data.tumours = 'none', so no segmenter can be trained or scored"),
    ('tumours = "unmasked"', "data.tumours = 'unmasked'")])
def test_a_site_without_masks_says_so_in_one_line(run: RunFolder, line: str, words: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    path = run.site_file("east")
    text = path.read_text()
    path.write_text(text.replace("[data]", f"[data]\n{line}"))
    try:
        ask(EvaluateExecutor(run.study().hash), "evaluate_release", images_sent(RELEASE, painted(run.study(), 2)))
    finally:
        path.write_text(text)
    assert words in failure(run)
    assert "\n" not in failure(run)


@pytest.mark.parametrize(("subjects", "words"), [
    (1, r"nobody is among its test \(1 subjects in all\)"), (2, r"nobody is among its test \(2 subjects in all\)")])
def test_a_site_of_one_or_two_subjects_says_so_in_one_line(tmp_path: Path, subjects: int, words: str,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    small = evaluation_run(tmp_path / "run", subjects=subjects, volumes=1, sites={"east": 1.0})
    monkeypatch.setenv(RUN_VARIABLE, str(small.path))
    ask(EvaluateExecutor(small.study().hash), "evaluate_release", images_sent(RELEASE, painted(small.study(), 1)))
    assert re.search(words, failure(small))


def test_below_its_minimum_a_site_abstains_and_says_so_with_zeros(run: RunFolder) -> None:
    path = run.site_file("east")
    text = path.read_text()
    path.write_text(text.replace("minimum_test_subjects = 3", "minimum_test_subjects = 5"))
    try:
        executor, _ = begun(run.study())
        scores = told(ask(executor, "segment_scores", trained(executor, start(), 0), 1))
    finally:
        path.write_text(text)
    assert len(list(Cohort.load(run.site("east", run.study()), run.study()).test)) == 4
    assert all(not value for value in scores.values())
    assert len(scores) == 2 * len(REGIONS) * 2 * 3
