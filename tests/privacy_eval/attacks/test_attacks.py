"""Nearest, replica, reconstruction and blind scores: definitions, and the blind baseline's null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from privacy_eval.attacks import blind, nearest, reconstruction, replicas
from privacy_eval.statistics.ranks import null_standard_error


def test_replica_threshold_is_the_first_percentile() -> None:
    assert replicas.replica_threshold(np.arange(101.0)) == pytest.approx(1.0)
    assert replicas.count_replicas(np.array([0.5, 1.0, 2.0]), 1.0) == 1


def test_reconstruction_score_takes_away_how_easy_a_subject_is() -> None:
    scores = reconstruction.reconstruction_scores(np.array([0.05, 0.2]), np.array([0.06, 0.3]))
    np.testing.assert_allclose(scores, [0.01, 0.1])


def test_calibrated_score_takes_away_how_near_a_subject_is_to_anyone() -> None:
    np.testing.assert_array_equal(nearest.nearest_release_scores(np.array([1.0, 2.0])), [-1.0, -2.0])
    np.testing.assert_array_equal(nearest.calibrated_scores(np.array([1.0, 2.0]), np.array([4.0, 3.0])), [3.0, 1.0])


def test_blind_baseline_keeps_its_level_only_with_its_inflated_error() -> None:
    rng = np.random.default_rng(3)
    runs, n = 70, 30
    aucs = np.array([blind.blind_u(*rng.normal(size=(2, n, 8)), rng) for _ in range(runs)]) / n**2
    inflated = blind.BLIND_INFLATION * null_standard_error(n, n)
    assert np.std(aucs) > 1.1 * null_standard_error(n, n)
    assert np.std(aucs) == pytest.approx(inflated, rel=0.25)
    assert np.sum(aucs - 0.5 > 1.645 * inflated) <= binom.ppf(0.995, runs, 0.05)


def test_blind_baseline_sees_a_split_that_was_not_random() -> None:
    rng = np.random.default_rng(4)
    members, holdout = rng.normal(size=(40, 8)), rng.normal(size=(40, 8))
    members[:, 3] += 1.5
    assert blind.blind_u(members, holdout, rng) / 1600 > 0.75


def test_blind_features_hold_what_the_feature_space_takes_away() -> None:
    rng = np.random.default_rng(5)
    scans = rng.random((6, 2, 4, 4, 4)) * np.array([1.0, 0.0])[:, None, None, None]
    features = blind.blind_features(rng.normal(size=(6, 50)), scans)
    assert features.shape == (6, 5 + 6)
    np.testing.assert_allclose(features[:, 5], scans[:, 0].mean(axis=(1, 2, 3)))
    np.testing.assert_array_equal(features[:, 9:], np.tile([1.0, 0.0], (6, 1)))
