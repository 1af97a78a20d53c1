from __future__ import annotations

import numpy as np
import pytest
import torch
from segmenter_case import GRID, PLAIN, make_subjects

from fl_components.evaluation.scores import score_subjects
from fl_components.networks.segmenter import ARCHITECTURES, Architecture, build_critic
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.study import Augmentation
from fl_components.training.batch import shuffled_batches
from fl_components.training.segment import RATE, Stage, train_segmenter
from privacy_eval.errors import InputError


def train(architecture: Architecture, stage: Stage, seed: int = 3, augmentation: Augmentation | None = None,
          start: Weights | None = None, critic: torch.nn.Module | None = None) -> torch.nn.Module:
    batches = shuffled_batches(make_subjects(4), 2, torch.Generator().manual_seed(0))
    return train_segmenter(architecture, batches, stage, augmentation, GRID, PLAIN, seed, None, start, critic)


def whole_tumour(network: torch.nn.Module) -> float:
    return float(score_subjects(network, make_subjects(4), GRID, PLAIN, distances=False).dice["whole tumour"].mean())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_finds_painted_tumours(architecture: Architecture) -> None:
    early, late = (whole_tumour(train(architecture, Stage(steps))) for steps in (1, 40))
    assert late > max(0.6, early)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_repeats_itself(architecture: Architecture) -> None:
    usual = Augmentation()
    first, again, seed, later = (
        weights_of(train(architecture, Stage(2, round_number=number), seed, usual))
        for number, seed in ((0, 3), (0, 3), (0, 4), (1, 3)))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != seed[name]).any() for name in first)
    assert any((first[name] != later[name]).any() for name in first)


def test_on_step_counts() -> None:
    seen: list[int] = []
    train_segmenter("segresnet", shuffled_batches(make_subjects(2), 1, torch.Generator()), Stage(3), None, GRID, PLAIN,
                    0, seen.append)
    assert seen == [1, 2, 3]


def test_a_round_starts_from_the_weights_it_is_given() -> None:
    start = weights_of(train("segresnet", Stage(5)))
    after = weights_of(train("segresnet", Stage(1, rate=1e-9), start=start))
    np.testing.assert_allclose(np.concatenate([after[name].ravel() for name in start]),
                               np.concatenate([start[name].ravel() for name in start]), atol=1e-6)


def test_weights_of_another_architecture_are_refused() -> None:
    weights = weights_of(train("segresnet", Stage(1)))
    with pytest.raises(InputError, match=r"weights for .*of another study"):
        load_weights(train("pix2pix", Stage(1)), weights)


def test_a_site_keeps_its_critic() -> None:
    critic = build_critic(9)
    before = {name: tensor.clone() for name, tensor in critic.state_dict().items()}
    train("pix2pix", Stage(2), critic=critic)
    assert any(not torch.equal(before[name], tensor) for name, tensor in critic.state_dict().items())


def test_rounds_share_one_rise_and_fall_of_the_learning_rate() -> None:
    whole = [Stage(12).rate_at(done) for done in range(12)]
    parts = [Stage(4, before, 12).rate_at(done) for before in (0, 4, 8) for done in range(4)]
    assert whole == pytest.approx(parts)
    assert max(Stage(1000).rate_at(done) for done in range(1000)) == pytest.approx(RATE, rel=1e-3)
    assert Stage(1000).rate_at(0) == pytest.approx(0.04 * RATE)
    assert Stage(1000).rate_at(999) < 0.001 * RATE
