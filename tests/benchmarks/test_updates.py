from __future__ import annotations

import numpy as np
import pytest
from small_run import CONTRAST, small_study

from benchmarks.updates import ATTACKS, Record, Round, alignments, attack_all, coarse_study, errors, plus, site_scores
from benchmarks.updates import train as train_federation
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Grid, Study

STUDY = Study.parse(small_study(grid={"shape": [12, 14, 12], "spacing_mm": 14.0},
                                training={"rounds": 2, "local_steps": 2, "precision": "float32"}), "test")
START = weights_of(build_generator(STUDY))


def subject(seed: int, grid: Grid = STUDY.grid) -> Subject:
    rng = np.random.default_rng(seed)
    labels = AnatomySampler(grid).sample(rng).labels
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    images = np.where(labels > 0, paint(labels, contrast) + 0.05 * rng.standard_normal((4, *grid.shape)), 0)
    return Subject(f"s{seed}", images.astype(np.float32), labels, contrast)


def small_update(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return {name: 0.01 * rng.standard_normal(value.shape).astype(np.float32) for name, value in START.items()}


@pytest.fixture(scope="module")
def record() -> Record:
    return train_federation(STUDY, {"east": [subject(1), subject(2)], "west": [subject(3)]}, lambda share: None)


def test_the_server_keeps_all_that_crosses_the_network(record: Record) -> None:
    assert len(record.rounds) == STUDY.training.rounds
    first, second = record.rounds
    for name, value in second.sent.items():
        mean = (2 * first.updates["east"][name] + first.updates["west"][name]) / 3
        np.testing.assert_allclose(value, START[name] + mean, atol=1e-6)


def test_scores_are_what_they_say() -> None:
    subjects = [subject(1), subject(2), subject(3)]
    east, west = small_update(1), small_update(2)
    found = site_scores(STUDY, Record([Round(START, {"east": east, "west": west})], START), "east", subjects)
    before = errors(STUDY, START, subjects)
    own, other = (before - errors(STUDY, plus(START, update), subjects) for update in (east, west))
    np.testing.assert_allclose(found["drop of error"], own)
    np.testing.assert_allclose(found["drop against other sites"], own - other)
    gap = found["last local model"] - found["final generator"]
    np.testing.assert_allclose(gap, own)
    assert set(found) == set(ATTACKS)


def test_alignment_changes_its_sign_with_the_update() -> None:
    one, update = subject(1), small_update(1)
    (forth,), (back,) = (alignments(STUDY, START, direction, [one]) for direction in (
        update, {name: -value for name, value in update.items()}))
    assert forth == pytest.approx(-back, abs=1e-6)
    assert abs(forth) < 0.5  # a random direction in many dimensions


def test_members_and_holdout_are_told_apart_by_site(record: Record) -> None:
    members = {"east": [subject(1), subject(2)], "west": [subject(3)]}
    rows = attack_all(STUDY, record, members, {"east": [subject(4)], "west": [subject(5), subject(6)]})
    assert list(rows) == list(ATTACKS)
    for row in rows.values():
        assert 0 <= row["low"] <= row["auc"] <= row["high"] <= 1
        assert (row["n_members"], row["n_holdout"]) == (3, 3)


def test_the_coarse_study_halves_grid_and_channels() -> None:
    found = coarse_study(STUDY, None, 5)
    assert found.grid.shape == (6, 7, 6)
    assert found.network.generator_channels == (2, 4)
    assert (found.training.rounds, found.training.local_steps) == (2, 5)
