from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import CONTRAST, small_study

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.render import render
from fl_components.networks.weights import load_weights, weights_of
from fl_components.study import Study
from fl_components.training.batch import collate
from fl_components.training.gan_step import GanStep
from fl_components.training.local import LocalTrainer
from fl_components.training.states import load_state

STUDY = Study.parse(small_study(), "test")


def make_subjects(count: int) -> list[Subject]:
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    subjects = []
    for k in range(count):
        rng = np.random.default_rng(k)
        labels = AnatomySampler(STUDY.grid).sample(rng).labels
        images = np.clip(paint(labels, contrast) + 0.1 * rng.standard_normal((4, *labels.shape)), 0, 1)
        subjects.append(Subject(str(k), np.where(labels > 0, images, 0).astype(np.float32), labels, contrast))
    return subjects


SUBJECTS = make_subjects(4)


@pytest.fixture
def trainer(tmp_path: Path) -> LocalTrainer:
    return LocalTrainer(STUDY, SUBJECTS, tmp_path / "states", seed=5)


def test_update_is_the_difference_and_state_stays(trainer: LocalTrainer) -> None:
    weights = weights_of(build_generator(STUDY))
    before = {name: value.copy() for name, value in weights.items()}
    seen: list[int] = []
    result = trainer.train(weights, 0, 3, seen.append)
    assert seen == [1, 2, 3]
    assert result.steps == 3
    assert all(np.array_equal(weights[name], before[name]) for name in weights)
    assert set(result.update) == set(weights)
    assert any(np.abs(value).max() > 0 for value in result.update.values())
    assert [path.name for path in trainer.states.iterdir()] == ["round-0001.pt"]


def test_training_repeats_itself_and_rounds_differ(trainer: LocalTrainer) -> None:
    weights = weights_of(build_generator(STUDY))
    first = trainer.train(weights, 0, 2).update
    second = trainer.train(weights, 0, 2).update
    later = trainer.train(weights, 1, 2).update
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], later[name]) for name in first)


def test_later_round_goes_on_from_the_kept_discriminator(trainer: LocalTrainer) -> None:
    weights = weights_of(build_generator(STUDY))
    trainer.train(weights, 0, 2)
    kept = torch.load(trainer.states / "round-0001.pt", weights_only=True)
    fresh = build_discriminator(STUDY, 5).state_dict()
    assert any(not torch.equal(kept["discriminator"][name], fresh[name]) for name in fresh)
    trainer.train(weights, 1, 2)
    assert _steps_done(trainer, 2) == 4


def test_a_round_that_is_asked_again_gives_the_same_update_bit_by_bit(tmp_path: Path) -> None:
    weights = weights_of(build_generator(STUDY))
    plain, asked_again = (LocalTrainer(STUDY, SUBJECTS, tmp_path / name, seed=5) for name in ("plain", "again"))
    for number, times in enumerate((1, 3, 1)):
        updates = [asked_again.train(weights, number, 2).update for _ in range(times)]
        expected = plain.train(weights, number, 2).update
        assert all(np.array_equal(update[name], expected[name]) for update in updates for name in expected)
        weights = {name: weights[name] + expected[name] for name in weights}
    one, two = (load_state(folder, 3) for folder in (plain.states, asked_again.states))
    assert one is not None
    assert two is not None
    assert all(torch.equal(one["discriminator"][name], value) for name, value in two["discriminator"].items())


def test_a_site_that_missed_rounds_goes_on_from_where_it_was(trainer: LocalTrainer) -> None:
    weights = weights_of(build_generator(STUDY))
    trainer.train(weights, 0, 2)
    trainer.train(weights, 4, 2)
    assert _steps_done(trainer, 5) == 4


def test_a_site_that_came_late_starts_fresh(trainer: LocalTrainer) -> None:
    trainer.train(weights_of(build_generator(STUDY)), 3, 2)
    assert _steps_done(trainer, 4) == 2


def _steps_done(trainer: LocalTrainer, rounds: int) -> int:
    state = load_state(trainer.states, rounds)
    assert state is not None
    return int(state["generator_optimiser"]["state"][0]["step"])


def test_l1_falls_and_noise_matters_after_training(tmp_path: Path) -> None:
    study = Study.parse(small_study(training={"rounds": 1, "local_steps": 60, "generator_rate": 2e-3}), "test")
    trainer = LocalTrainer(study, SUBJECTS, tmp_path / "states", seed=5)
    start = weights_of(build_generator(study))
    early = trainer.train(start, 0, 5).losses.l1
    result = trainer.train(start, 0, 60)
    assert result.losses.l1 < early
    generator = load_weights(build_generator(study), {n: start[n] + result.update[n] for n in start})
    precision = Precision(torch.device("cpu"), bfloat16=False)
    subject = SUBJECTS[0]
    volumes = [render(generator, subject.labels, subject.contrast, torch.Generator().manual_seed(seed), precision)
               for seed in (1, 2)]
    brain = subject.labels > 0
    assert np.abs(volumes[0] - volumes[1])[:, brain].mean() > 1e-3


def test_discriminator_step_leaves_the_generator_alone_and_the_other_way_round() -> None:
    step = GanStep(build_generator(STUDY), build_discriminator(STUDY, 1), STUDY.training, choose_precision("float32"))
    step(collate(SUBJECTS[:1]), torch.Generator().manual_seed(0))
    assert all(p.requires_grad for p in step.discriminator.parameters())
    grads = [p.grad.abs().sum() for p in step.generator.parameters() if p.grad is not None]
    assert sum(grads) > 0


def test_bfloat16_and_float32_agree() -> None:
    subject = SUBJECTS[0]
    outputs = []
    for bfloat16 in (False, True):
        precision = Precision(torch.device("cpu"), bfloat16)
        generator = precision.place(build_generator(STUDY))
        outputs.append(render(generator, subject.labels, subject.contrast, torch.Generator().manual_seed(1), precision))
    assert np.abs(outputs[0] - outputs[1]).mean() < 0.01


def test_precision_says_what_runs() -> None:
    assert choose_precision("float32").name.endswith("float32")
    assert "bfloat16" in choose_precision("bfloat16").name
