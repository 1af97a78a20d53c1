"""The attacks on the digits recipe of known outcome, and the blind baseline's null."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.datasets import load_digits

from privacy_eval.attacks import blind, nearest, reconstruction, replicas
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.statistics.counts import CountPair, stratified_exact_p_value
from privacy_eval.statistics.ranks import mann_whitney_u, null_standard_error, u_statistic

N = 449
SEEDS = 4


class Digits(NamedTuple):
    members: np.ndarray
    holdout: np.ndarray
    reference: np.ndarray
    fresh: np.ndarray


class Outcome(NamedTuple):
    nearest: float
    calibrated: float
    copied_members: float
    copied_holdout: float


def digits(rng: np.random.Generator) -> Digits:
    """The 1797 images in a random order, cut into members, holdout, reference and fresh of 449 each."""
    order = rng.permutation(load_digits().data)
    return Digits(*(order[start : start + N] for start in range(0, 4 * N, N)))


def kernel(data: np.ndarray, width: float, n: int, rng: np.random.Generator) -> np.ndarray:
    return data[rng.integers(len(data), size=n)] + rng.normal(0, width, (n, data.shape[1]))


def leak(data: Digits, share: float, rng: np.random.Generator) -> np.ndarray:
    copied = round(share * N)
    copies = data.members[rng.permutation(N)[:copied]] + rng.normal(0, 0.5, (copied, 64))
    return np.concatenate([copies, kernel(data.fresh, 0.5, N - copied, rng)])


def attack(data: Digits, release: np.ndarray, quantile: float = 0.05) -> Outcome:
    to_release = nearest_distance(data.members, release), nearest_distance(data.holdout, release)
    to_reference = nearest_distance(data.members, data.reference), nearest_distance(data.holdout, data.reference)
    scores = [nearest.calibrated_scores(s, r) for s, r in zip(to_release, to_reference, strict=True)]
    threshold = float(np.quantile(nearest_distance(data.holdout, data.members), quantile))
    return Outcome(
        u_statistic(*(nearest.nearest_release_scores(distance) for distance in to_release)).auc,
        u_statistic(*scores).auc,
        *(replicas.count_replicas(distance, threshold) / N for distance in to_release),
    )


def mean_outcome(make: str, value: float) -> Outcome:
    outcomes = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        data = digits(rng)
        release = {
            "leak": lambda data=data, rng=rng: leak(data, value, rng),
            "members": lambda data=data, rng=rng: kernel(data.members, value, N, rng),
            "fresh": lambda data=data: data.fresh,
        }[make]()
        outcomes.append(attack(data, release))
    return Outcome(*np.mean(outcomes, axis=0))


@pytest.mark.parametrize(
    ("make", "value", "nearest", "calibrated", "members", "holdout"),
    [
        ("fresh", 0, 0.502, 0.499, 0.050, 0.045),
        ("leak", 0.0, 0.498, 0.495, 0.028, 0.023),
        ("leak", 0.1, 0.552, 0.551, 0.125, 0.026),
        ("leak", 0.5, 0.747, 0.745, 0.516, 0.032),
        ("leak", 1.0, 1.000, 0.995, 1.000, 0.036),
        ("members", 1.0, 0.819, 0.812, 0.642, 0.008),
        ("members", 4.0, 0.730, 0.655, 0.000, 0.000),
        ("members", 8.0, 0.548, 0.526, 0.000, 0.000),
    ],
)
def test_digits_table(
    make: str, value: float, nearest: float, calibrated: float, members: float, holdout: float
) -> None:
    outcome = mean_outcome(make, value)
    three_errors = 3 * 0.024 / np.sqrt(SEEDS)
    assert outcome.nearest == pytest.approx(nearest, abs=three_errors)
    assert outcome.calibrated == pytest.approx(calibrated, abs=three_errors)
    assert outcome.copied_members == pytest.approx(members, abs=0.03)
    assert outcome.copied_holdout == pytest.approx(holdout, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_auc_of_a_leak_is_one_half_plus_half_its_share(share: float) -> None:
    assert mean_outcome("leak", share).nearest == pytest.approx(0.5 + share / 2, abs=3 * 0.024 / np.sqrt(SEEDS))


def test_nine_copied_outliers_are_seen_by_the_replica_count_and_not_by_the_average() -> None:
    rng = np.random.default_rng(0)
    data = digits(rng)
    distances = np.sort(np.linalg.norm(data.members[:, None] - data.members[None], axis=2), axis=1)
    outliers = data.members[np.argsort(distances[:, 1])[-9:]]
    release = np.concatenate([outliers, kernel(data.fresh, 2, N - 9, rng)])
    to_release = nearest_distance(data.members, release), nearest_distance(data.holdout, release)
    threshold = replicas.replica_threshold(nearest_distance(data.holdout, data.members))
    counts = [replicas.count_replicas(distance, threshold) for distance in to_release]
    assert counts[0] >= 9
    assert stratified_exact_p_value([CountPair(counts[0], N, counts[1], N)]) < 0.05
    assert attack(data, release).nearest < 0.5 + 2.5 * null_standard_error(N, N)


def test_replica_threshold_is_the_first_percentile() -> None:
    assert replicas.replica_threshold(np.arange(101.0)) == pytest.approx(1.0)
    assert replicas.count_replicas(np.array([0.5, 1.0, 2.0]), 1.0) == 1


def test_reconstruction_score_takes_away_how_easy_a_subject_is() -> None:
    scores = reconstruction.reconstruction_scores(np.array([0.05, 0.2]), np.array([0.06, 0.3]))
    np.testing.assert_allclose(scores, [0.01, 0.1])


def test_nearest_and_calibrated_attacks_keep_their_level() -> None:
    rng = np.random.default_rng(1)
    runs, n = 300, 30
    rejected = np.zeros(2)
    for _ in range(runs):
        members, holdout, release, reference = rng.normal(size=(4, n, 5))
        s = [nearest_distance(group, release) for group in (members, holdout)]
        r = [nearest_distance(group, reference) for group in (members, holdout)]
        us = [
            mann_whitney_u(-s[0], -s[1]),
            mann_whitney_u(*(nearest.calibrated_scores(a, b) for a, b in zip(s, r, strict=True))),
        ]
        rejected += [u / n**2 - 0.5 > 1.645 * null_standard_error(n, n) for u in us]
    low, high = binom.ppf([0.005, 0.995], runs, 0.05)
    assert ((low <= rejected) & (rejected <= high)).all()


def test_replica_counts_keep_their_level() -> None:
    rng = np.random.default_rng(2)
    runs, n = 400, 40
    rejected = 0
    for _ in range(runs):
        members, holdout, release = rng.normal(size=(3, n, 2))
        threshold = replicas.replica_threshold(nearest_distance(holdout, members))
        counts = [replicas.count_replicas(nearest_distance(group, release), threshold) for group in (members, holdout)]
        rejected += stratified_exact_p_value([CountPair(counts[0], n, counts[1], n)]) <= 0.05
    assert rejected <= binom.ppf(0.995, runs, 0.05)


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
