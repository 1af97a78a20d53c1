from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import CONTRAST, prepare_run, small_study, write_run, write_untrained

from benchmarks import membership
from benchmarks.hospitals import load_hospitals
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client.generator_errors import painting_error
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.release import Volume
from fl_components.study import Study
from fl_components.vocabulary import N_TISSUES
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.voxels import VoxelSpace

STUDY = Study.parse(small_study(), "test")


def make_subjects(first: int, count: int) -> list[Subject]:
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    subjects = []
    for k in range(first, first + count):
        rng = np.random.default_rng(k)
        labels = AnatomySampler(STUDY.grid).sample(rng).labels
        images = np.clip(paint(labels, contrast) + 0.1 * rng.standard_normal((4, *labels.shape)), 0, 1)
        subjects.append(Subject(str(k), (images * (labels > 0)).astype(np.float32), labels, contrast))
    return subjects


def test_attack_is_the_stratified_auc() -> None:
    """Site a: members 3, 1 against 2, 0 give U = 3 of 4; site b: all members above. Weights n m / (n + m + 1)."""
    def score(subjects: list[int]) -> np.ndarray:
        return np.array(subjects, float)

    members, holdout = {"a": [3, 1], "b": [9, 8]}, {"a": [2, 0], "b": [1, 2]}
    found = membership.attack(score, members, holdout)  # type: ignore[arg-type]
    assert found["sites"] == {"a": 0.75, "b": 1.0}
    assert found["auc"] == pytest.approx(0.875)
    assert (found["n_members"], found["n_holdout"]) == (4, 4)
    assert found["low"] < 0.875 < found["high"]


def test_t4_of_a_painter_is_the_difference_to_the_lookup_table() -> None:
    """A generator whose residual is 0 and whose borders are the finest is the lookup table: everybody scores 0."""
    weights = weights_of(build_generator(STUDY))
    weights |= {name: np.zeros_like(weights[name]) for name in ("head.weight", "head.bias")}
    weights["partial_volume.weights"] = np.repeat([[0], [-10], [-10]], N_TISSUES, axis=1).astype(np.float32)
    subjects = make_subjects(0, 2)
    np.testing.assert_allclose(membership.t4_score(STUDY, weights)(subjects), 0, atol=1e-4)
    assert painting_error(subjects[0]) > 0.01


def test_t1_finds_the_released_subject() -> None:
    subjects = make_subjects(0, 3)
    space = VoxelSpace.fit(ImageSet(np.stack([s.images for s in make_subjects(5, 3)])))
    scores = membership.t1_score(space, [subjects[1].images])(subjects)
    assert scores.argmax() == 1
    assert scores[1] == pytest.approx(0, abs=1e-3)


def test_the_defence_is_taken_away_and_nothing_else() -> None:
    naked = membership.without_defence(STUDY)
    assert naked.training.augmentation is None
    assert naked.training.batch_size == 1
    assert naked.model_copy(update={"training": STUDY.training}) == STUDY


@pytest.mark.parametrize(("p_value", "code"), [(0.001, 0), (0.04, 1)])
def test_exit_code_says_whether_memorising_was_flagged(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p_value: float, code: int) -> None:
    """alpha is .05 over four tests, so .04 is not enough."""
    run = write_run(tmp_path / "run", subjects=5)
    study = prepare_run(run)
    write_untrained(run)
    few: list[list[Subject]] = []

    def no_training(_: Study, members: list[Subject], *__: object) -> dict[str, np.ndarray]:
        few.append(members)
        return weights_of(build_generator(study))

    written: dict[str, Any] = {}
    judged = membership.attack
    monkeypatch.setattr(membership, "central_training", no_training)
    monkeypatch.setattr(membership, "attack", lambda *about: {**judged(*about), "p_value": p_value})
    monkeypatch.setattr(membership, "read_release", lambda _: [
        Volume(s.name, s.images, s.labels, STUDY.grid.affine) for s in make_subjects(20, 2)])
    monkeypatch.setattr(membership, "write_result", lambda name, figures, n, **_: written.update(figures))
    monkeypatch.setattr("sys.argv", ["membership", str(run.path), "--steps", "20"])
    assert membership.main() == code
    assert [s.name for s in few[0]] == [s.name for s in load_hospitals(run, "members")["east"]]
    assert set(written["demo"]) == {"T4", "T1"}
    assert set(written["memorising"]) == {"T4", "T1, sampled", "T1, own masks", "T1, own masks painted"}
    assert written["memorising"]["T1, own masks painted"]["auc"] >= 0.5
    assert written["flagged"] is (code == 0)
