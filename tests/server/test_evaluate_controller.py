"""The controller of an evaluation, with a federation that answers as told and no NVFlare around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from evaluation_case import painted
from nvflare.app_common.abstract.fl_model import FLModel
from small_run import small_study

from fl_components.client.masked_rounds import MaskedRounds
from fl_components.evaluation.arms import arms_of
from fl_components.evaluation.site_scores import score_names
from fl_components.guard.declaration import declare, update_fields
from fl_components.guard.masked_update import masked_update
from fl_components.guard.secure_sum import keys_among, weights_among
from fl_components.guard.signed_keys import KeySigner
from fl_components.server.ask import MissingSitesError
from fl_components.server.evaluate_controller import EvaluateController
from fl_components.server.home import ServerHome
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Study
from privacy_eval.errors import InputError

FOUR = {"a": 5.0, "b": 1.0, "c": 1.0, "d": 1.0}
PLAIN, MASKED = (Study.parse(small_study(sites=FOUR, federation={"secure_aggregation": secure, "clip_norm": clip}),
                             "test") for secure, clip in ((False, 1e-6), (True, None)))
Fields = dict[str, np.ndarray]
Spoil = Callable[[str, str, int, Fields], Fields | None]


def update(site: str, number: int) -> Fields:
    """Random, of the site and round alone, as local training is."""
    rng = np.random.default_rng([ord(site), number])
    return {name: np.asarray(1e-3 * rng.normal(size=field.shape), field.dtype)
            for name, field in update_fields("segment", PLAIN, number).items()}


class Federation:
    """Sites that send `update`, masked where the study wants it, and keep what they were sent to score."""

    def __init__(self, folder: Path, study: Study, spoil: Spoil = lambda site, task, number, fields: fields) -> None:
        self.folder, self.study, self.spoil = folder, study, spoil
        self.asked: list[tuple[str, int]] = []
        self.scored: list[Fields] = []
        self.rounds = {site: MaskedRounds() for site in FOUR}
        release, metadata = painted(study, 2), ReleaseMetadata("s", study.hash, "b" * 64, 7, "0", "nobody")
        with ReleaseWriter(folder / "release", study.grid, metadata) as writer:
            for images, labels in zip(release.images, release.labels, strict=True):  # type: ignore[arg-type]
                writer.add(images, labels)

    def evaluate(self, study: Study | None = None) -> dict[str, Any]:
        controller = EvaluateController(self.study.hash, list(FOUR))
        controller.send_model_and_wait = self.send
        home = ServerHome(self.folder)
        controller.carry_out(study or self.study, home)
        return home.result("evaluate")

    def send(self, task_name: str, data: FLModel, targets: Sequence[str], **_: object) -> list[Any]:
        number = data.current_round
        self.asked.append((task_name, number))
        if task_name == "segment_scores":
            self.scored.append(dict(data.params))
        answers = {site: self.spoil(site, task_name, number, self.answer(site, task_name, number, data.params))
                   for site in targets}
        return [SimpleNamespace(meta={"client_name": site}, params=fields, current_round=None)
                for site, fields in answers.items() if fields is not None]

    def answer(self, site: str, task: str, number: int, data: Fields) -> Fields:
        signer = KeySigner(site, self.study.hash, None)
        if task == "train_keys":
            return {"key": signer.signed(self.rounds[site].public)}
        if task == "train_reveal":
            return {"seed": self.rounds[site].reveal(number, self.study, self.folder / site)}
        if task == "segment" and self.study.federation.secure_aggregation:
            masking = self.rounds[site].masking(weights_among(data), signer.genuine(keys_among(data)), number,
                                                self.study, self.folder / site)
            return masked_update(self.study, site, masking, update(site, number), "job", number, task)
        if task == "segment":
            return update(site, number)
        return {name: np.zeros(field.shape, field.dtype) for name, field in declare(task, self.study, number).items()}  # type: ignore[arg-type]


def test_every_arm_is_trained_by_the_studys_weights_and_scored_once(tmp_path: Path) -> None:
    federation = Federation(tmp_path, PLAIN)
    result = federation.evaluate()
    assert federation.asked == [("evaluate_release", 0), ("segment", 0), ("segment", 1), ("segment_scores", 1),
                                ("segment", 2), ("segment", 3), ("segment_scores", 3)]
    assert (result["status"], result["volumes"], result["rejected"]) == ("done", 2, [])
    assert [row["trained_on"] for row in result["told"]["scores"]] == [arm.trained_on for arm in arms_of(PLAIN)]
    assert set(result["told"]["scores"][0]["sites"]["a"]) == set(score_names())
    name = next(iter(federation.scored[0]))
    moved = federation.scored[1][name] - federation.scored[0][name]  # both began with the same weights
    means = [sum(FOUR[site] / 8 * update(site, number)[name] for site in FOUR) for number in range(4)]
    # Whole updates: the generator's clip_norm of a millionth is none of a segmenter's.
    np.testing.assert_allclose(moved, means[2] + means[3] - means[0] - means[1], atol=1e-6)


def test_masked_the_segmenters_are_the_same(tmp_path: Path) -> None:
    plain, masked = Federation(tmp_path / "plain", PLAIN), Federation(tmp_path / "masked", MASKED)
    assert plain.evaluate()["status"] == masked.evaluate()["status"] == "done"
    for one, other in zip(plain.scored, masked.scored, strict=True):
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, atol=1e-6)
    assert [task for task, _ in masked.asked].count("train_keys") == 1
    assert [task for task, _ in masked.asked].count("train_reveal") == 4


def test_a_bad_update_costs_its_site_the_round_and_is_named(tmp_path: Path) -> None:
    def spoil(site: str, task: str, number: int, fields: Fields) -> Fields | None:
        if (site, task, number) == ("b", "segment", 2):
            return {name: value * np.float32(1e6) for name, value in fields.items()}
        return fields

    (row,) = Federation(tmp_path, PLAIN, spoil).evaluate()["rejected"]
    assert (row["round"], row["site"]) == (3, "b")
    assert "exceeds the study's update_norm_bound = 20" in row["reason"]


@pytest.mark.parametrize(("task", "number"), [("evaluate_release", 0), ("segment", 1), ("segment_scores", 1)])
@pytest.mark.parametrize("study", [PLAIN, MASKED], ids=["plain", "masked"])
def test_a_silent_site_ends_the_job_and_is_named(tmp_path: Path, study: Study, task: str, number: int) -> None:
    def spoil(site: str, asked: str, at: int, fields: Fields) -> Fields | None:
        return None if (site, asked, at) == ("c", task, number) else fields

    with pytest.raises(MissingSitesError, match="site\\(s\\) c") as missing:
        Federation(tmp_path, study, spoil).evaluate()
    assert missing.value.sites == ("c",)


@pytest.mark.parametrize(("task", "change", "words"), [
    ("segment_scores", lambda fields: {**fields, "subject-7": np.array(0.9)}, "'subject-7' is not declared"),
    ("segment_scores", lambda fields: {**fields, "dice.core.score.mean": np.zeros(12)}, "has shape"),
    ("evaluate_release", lambda fields: {"n_members": fields["n_members"]}, "is missing")])
def test_undeclared_statistics_are_refused_at_the_server_too(tmp_path: Path, task: str,
                                                             change: Callable[[Fields], Fields], words: str) -> None:
    def spoil(site: str, asked: str, number: int, fields: Fields) -> Fields | None:
        return change(fields) if (site, asked) == ("d", task) else fields

    with pytest.raises(RuntimeError, match=f"site 'd': its answer to '{task}' is refused: .*{words}"):
        Federation(tmp_path, PLAIN, spoil).evaluate()


def test_what_is_no_evaluation_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    federation = Federation(tmp_path, PLAIN)
    coarse = Study.parse(small_study(sites=FOUR, grid={"shape": [24, 28, 20], "spacing_mm": 7.0}), "test")
    private = Study.parse(small_study(privacy={"mode": "private", "trains": "scratch"}), "test")
    for study, words in ((coarse, "volumes of 4×24×28×24"), (private, "mode = 'private'")):
        with pytest.raises(InputError, match=words):
            federation.evaluate(study)
    assert federation.asked == []
