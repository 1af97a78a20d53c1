"""A round at a site: what was reserved and nothing more, asked again for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mechanism_case import SeededEntropy
from small_run import small_study

from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.private.entropy import OsEntropy
from fl_components.training.private.local import PrivateTrainer
from fl_components.training.private.plan import PrivatePlan, plan_of
from fl_components.training.private.public import PublicSubjects
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(privacy={"mode": "private", "trains": "scratch", "rate": 0.3, "expected_batch": 2,
                                         "discriminator_steps": 2}, audit={"epsilon": 0.5}), "t")


@pytest.fixture(scope="module")
def public() -> PublicSubjects:
    return PublicSubjects(STUDY.grid, 3, 1, 0.9)


@pytest.fixture(scope="module")
def plan() -> PrivatePlan:
    made = plan_of(STUDY)
    assert made is not None
    return made


def trainer(folder: Path, public: PublicSubjects, plan: PrivatePlan, patients: int = 5,
            seed: int | None = None) -> PrivateTrainer:
    rng = np.random.default_rng(0)
    subjects = []
    for k in range(patients):
        labels = public.labels[k % 3].numpy().astype(np.uint8)
        images = (rng.random((4, *labels.shape)) * (labels > 0)).astype(np.float32)
        subjects.append(Subject(str(k), images, labels, measure_contrast(images, labels)))
    entropy = OsEntropy() if seed is None else SeededEntropy(seed)
    return PrivateTrainer(STUDY, plan, subjects, public, folder, 1, entropy)


def test_a_round_is_what_was_reserved_and_asked_again_it_is_the_same(tmp_path: Path, public: PublicSubjects,
                                                                     plan: PrivatePlan) -> None:
    weights = weights_of(build_generator(STUDY))
    made = trainer(tmp_path, public, plan)
    assert made.kept(weights, 0) is None
    result = made.train(weights, 0, plan.training(plan.steps_per_round))
    again = made.kept(weights, 0)
    assert again is not None
    assert all(np.array_equal(value, again.update[name]) for name, value in result.update.items())
    assert (again.adversarial, again.public) == (result.adversarial, result.public)
    moved = {name: value + np.float32(0.01) for name, value in weights.items()}
    assert made.kept(moved, 0) is None
    assert made.kept(weights, 1) is None
    made.train(moved, 1, plan.training(plan.steps_per_round))  # goes on from the round before


def test_less_than_a_round_reserved_is_no_round(tmp_path: Path, public: PublicSubjects, plan: PrivatePlan) -> None:
    weights = weights_of(build_generator(STUDY))
    with pytest.raises(InputError, match="a round costs"):
        trainer(tmp_path, public, plan).train(weights, 0, plan.training(1))


def test_a_site_of_no_patient_is_noised_and_counted_like_any_other(tmp_path: Path, public: PublicSubjects,
                                                                   plan: PrivatePlan) -> None:
    weights = weights_of(build_generator(STUDY))
    result = trainer(tmp_path, public, plan, patients=0).train(weights, 0, plan.training(plan.steps_per_round))
    assert all(np.isfinite(value).all() for value in result.update.values())


def test_the_same_seed_at_a_site_does_not_repeat_its_noise(tmp_path: Path, public: PublicSubjects,
                                                           plan: PrivatePlan) -> None:
    weights = weights_of(build_generator(STUDY))
    event = plan.training(plan.steps_per_round)
    made = [trainer(tmp_path / str(k), public, plan).train(weights, 0, event).update for k in range(2)]
    assert any(not np.array_equal(value, made[1][name]) for name, value in made[0].items())
    fixed = [trainer(tmp_path / f"fixed{k}", public, plan, seed=9).train(weights, 0, event).update for k in range(2)]
    assert all(np.array_equal(value, fixed[1][name]) for name, value in fixed[0].items())


def test_public_subjects_know_the_sites_contrast_from_its_noised_summary_alone(public: PublicSubjects) -> None:
    import torch

    told = {"contrast.mean": np.full((6, 4), 0.25, np.float32), "contrast.spread": np.full((6, 4), 1e-4, np.float32)}
    known = PublicSubjects(STUDY.grid, 1, 1, 0.9, told)
    drawn = known.draw(2, None, torch.Generator().manual_seed(0))
    present = drawn.contrast[:, 24:].bool().repeat_interleave(4, dim=1)
    torch.testing.assert_close(drawn.contrast[:, :24][present], torch.full((int(present.sum()),), 0.25), atol=1e-3,
                               rtol=0)
    assert set(np.unique(public.labels.numpy())) <= set(range(7))
