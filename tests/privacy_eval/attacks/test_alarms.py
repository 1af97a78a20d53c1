"""Similarity alarms: each against loops over the vectors themselves, and what they are for known releases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from privacy_eval.attacks.alarms import (
    Alarms,
    adversarial_accuracy,
    alarms,
    between_patients,
    unauthentic_share,
)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def to_others(points: np.ndarray, i: int) -> float:
    return min(distance(points[i], other) for j, other in enumerate(points) if j != i)


def naive_accuracy(real: np.ndarray, release: np.ndarray) -> float:
    shares = []
    for one, other in ((real, release), (release, real)):
        shares.append(np.mean([min(distance(x, y) for y in other) > to_others(one, i) for i, x in enumerate(one)]))
    return float(np.mean(shares))


def naive_unauthentic(real: np.ndarray, release: np.ndarray) -> float:
    copied = 0
    for s in release:
        nearest = min(range(len(real)), key=lambda i: distance(s, real[i]))
        copied += distance(s, real[nearest]) < to_others(real, nearest)
    return copied / len(release)


def naive_dcr(members: np.ndarray, holdout: np.ndarray, release: np.ndarray) -> float:
    return float(np.mean([min(distance(s, m) for m in members) < min(distance(s, h) for h in holdout)
                          for s in release]))


def itself(vectors: np.ndarray) -> np.ndarray:
    return between_patients(cdist(vectors, vectors), np.arange(len(vectors)))


def run(members: np.ndarray, holdout: np.ndarray, release: np.ndarray, draws: int = 99, images: int = 1) -> Alarms:
    real = np.concatenate([members, holdout])
    return alarms(cdist(release, real), cdist(real, real), itself(release).min(axis=1),
                  np.arange(len(real)) < len(members), np.arange(len(real)) // images, np.random.default_rng(0), draws)


@pytest.mark.parametrize("seed", range(4))
def test_all_against_naive_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members, holdout, fresh = (rng.normal(size=(n, 3)) for n in (14, 11, 9))
    release = np.concatenate([fresh, members[:5] + rng.normal(0, 0.3, (5, 3))])
    found = run(members, holdout, release)
    assert found.nnaa.value == pytest.approx(naive_accuracy(holdout, release) - naive_accuracy(members, release))
    assert found.dcr.value == pytest.approx(naive_dcr(members, holdout, release))
    difference = naive_unauthentic(members, release) - naive_unauthentic(holdout, release)
    assert found.authenticity.value == pytest.approx(difference)
    to_members, within = cdist(release, members), itself(members)
    accuracy = adversarial_accuracy(to_members, within, itself(release).min(axis=1))
    assert accuracy == pytest.approx(naive_accuracy(members, release))
    assert unauthentic_share(to_members, within) == pytest.approx(naive_unauthentic(members, release))


def test_p_values_against_loops_over_permuted_labels() -> None:
    rng = np.random.default_rng(9)
    members, holdout = rng.normal(size=(2, 8, 2))
    release = np.concatenate([members[:4] + 0.05, rng.normal(size=(6, 2))])
    real, found = np.concatenate([members, holdout]), run(members, holdout, release, draws=600)
    drawn = []
    for _ in range(600):
        order = rng.permutation(16)
        drawn.append(naive_dcr(real[order[:8]], real[order[8:]], release))
    naive = np.mean(np.array(drawn) >= found.dcr.value - 1e-9)
    assert found.dcr.p_value == pytest.approx(naive, abs=4 * np.sqrt(naive * (1 - naive) / 300) + 0.002)


def test_accuracy_is_0_for_copies_one_half_for_the_like_and_1_for_the_apart() -> None:
    rng = np.random.default_rng(1)
    real, other = rng.normal(size=(2, 400, 3))

    def accuracy(release: np.ndarray) -> float:
        return adversarial_accuracy(cdist(release, real), itself(real), itself(release).min(axis=1))

    assert accuracy(real.copy()) == 0
    assert accuracy(other) == pytest.approx(0.5, abs=0.06)
    assert accuracy(other + 100) == 1


def test_copies_raise_all_alarms() -> None:
    rng = np.random.default_rng(2)
    members, holdout = rng.normal(size=(2, 40, 5))
    found = run(members, holdout, members + rng.normal(0, 0.1, members.shape))
    assert found.dcr.value > 0.95
    assert (found.nnaa.p_value, found.dcr.p_value, found.authenticity.p_value) == (0.01, 0.01, 0.01)


def test_unequal_groups_alarm_nobody() -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(8):
        found = run(rng.normal(size=(60, 3)), rng.normal(size=(20, 3)), rng.normal(size=(80, 3)), draws=39)
        assert found.dcr.value > 0.55
        p_values.append([found.nnaa.p_value, found.dcr.p_value, found.authenticity.p_value])
    assert (np.median(p_values, axis=0) > 0.1).all()


def test_images_of_one_patient_are_no_neighbours() -> None:
    rng = np.random.default_rng(4)
    people = rng.normal(size=(20, 3))
    real = np.repeat(people, 2, axis=0) + rng.normal(0, 1e-6, (40, 3))
    release = rng.normal(size=(30, 3))
    pairs = np.arange(40) // 2
    share = unauthentic_share(cdist(release, real), between_patients(cdist(real, real), pairs))
    assert share == pytest.approx(naive_unauthentic(people, release))
    assert run(real[:20], real[20:], release, images=2).dcr.value == pytest.approx(
        naive_dcr(people[:10], people[10:], release)
    )
