from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.central import central_training
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.local import LocalTrainer


def _study(rounds: int) -> Study:
    return Study.parse({
        "name": "bench", "preset": "tiny", "seed": 3, "sites": {"one": 1.0},
        "grid": {"shape": (8, 8, 8), "spacing_mm": 20.0},
        "network": {"generator_channels": (2, 3), "discriminator_channels": 2, "discriminator_layers": 1},
        "training": {"rounds": rounds, "local_steps": 1, "precision": "float32"}}, "test")


def _members(count: int) -> list[Subject]:
    rng = np.random.default_rng(0)
    members = []
    for index in range(count):
        labels = rng.integers(0, 7, (8, 8, 8)).astype(np.uint8)
        images = rng.random((4, 8, 8, 8), dtype=np.float32) * (labels > 0)
        members.append(Subject(f"case{index}", images, labels, measure_contrast(images, labels)))
    return members


def test_every_step_is_taken_and_counted_once(tmp_path: Path) -> None:
    counted: list[int] = []
    central_training(_study(rounds=3), _members(3), 7, 1, tmp_path / "state.pt", counted.append)
    assert counted == [1, 2, 3, 4, 5, 6, 7]


def test_one_round_is_local_training_on_everybody(tmp_path: Path) -> None:
    study, members = _study(rounds=1), _members(2)
    start = weights_of(build_generator(study))
    update = LocalTrainer(study, members, tmp_path / "local.pt", 5).train(start, 0, 4).update
    weights = central_training(study, members, 4, 5, tmp_path / "central.pt")
    for name in start:
        np.testing.assert_array_equal(weights[name], start[name] + update[name])


def test_two_rounds_are_smoothed_as_the_server_smooths(tmp_path: Path) -> None:
    study, members = _study(rounds=2), _members(2)
    start = weights_of(build_generator(study))
    trainer = LocalTrainer(study, members, tmp_path / "local.pt", 5)
    first = {name: start[name] + change for name, change in trainer.train(start, 0, 2).update.items()}
    second = {name: first[name] + change for name, change in trainer.train(first, 1, 2).update.items()}
    weights = central_training(study, members, 4, 5, tmp_path / "central.pt")
    for name in start:
        np.testing.assert_allclose(weights[name], 0.5 * first[name] + 0.5 * second[name], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_fewer_steps_than_rounds(tmp_path: Path, steps: int) -> None:
    counted: list[int] = []
    central_training(_study(rounds=3), _members(1), steps, 1, tmp_path / "state.pt", counted.append)
    assert counted == list(range(1, steps + 1))
