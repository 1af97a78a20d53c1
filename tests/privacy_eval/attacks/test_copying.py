"""Data copying: Z against a double loop, C_T against the cells one by one, permuted labels against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.cluster import KMeans

from privacy_eval.attacks.copying import (
    LEAST_IN_CELL,
    Copying,
    cells,
    copying,
    copying_scores,
    number_of_cells,
    z_u,
)


def naive_z(queries: np.ndarray, holdout: np.ndarray, members: np.ndarray) -> float:
    nearest = [[min(np.linalg.norm(x - t) for t in members) for x in group] for group in (queries, holdout)]
    u = sum(q > p for q in nearest[0] for p in nearest[1])
    m, n = len(queries), len(holdout)
    return (u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12)


def run(members: np.ndarray, holdout: np.ndarray, release: np.ndarray, draws: int = 39, seed: int = 0,
        images: int = 1) -> Copying:
    real = np.concatenate([members, holdout])
    owners = np.arange(len(real)) // images
    return copying(real, release, cdist(release, real), cdist(real, real), np.arange(len(real)) < len(members), owners,
                   np.random.default_rng(seed), draws)


@given(st.lists(st.floats(0, 9), min_size=1, max_size=30), st.lists(st.floats(0, 9), min_size=1, max_size=30))
def test_z_is_the_normal_deviate_of_mann_whitneys_u(synthetic: list[float], holdout: list[float]) -> None:
    u = mannwhitneyu(synthetic, holdout).statistic
    n, m = len(holdout), len(synthetic)
    expected = (u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12)
    assert z_u(np.array(synthetic), np.array(holdout)) == pytest.approx(expected)


def test_floor_for_a_thousand_copies() -> None:
    assert z_u(np.zeros(1000), np.ones(1000)) == pytest.approx(-38.72, abs=0.005)


def test_one_cell_against_a_double_loop() -> None:
    rng = np.random.default_rng(0)
    members, holdout, release = rng.normal(size=(20, 3)), rng.normal(size=(15, 3)), rng.normal(size=(25, 3))
    found = run(members, holdout, release)
    assert found.z_u == pytest.approx(naive_z(release, holdout, members))
    assert found.c_t == found.cell_minimum == found.z_u
    assert found.cells_used == 1


def test_cells_are_weighted_by_their_share_of_the_holdout_and_thin_ones_are_left_out() -> None:
    rng = np.random.default_rng(1)
    members, holdout, release = rng.normal(size=(120, 2)), rng.normal(size=(90, 2)), rng.normal(size=(80, 2))
    real = np.concatenate([members, holdout])
    found = copying_scores(
        cells(members, real, release, cdist(release, real), cdist(real, real), 4, np.random.default_rng(7)),
        np.arange(len(real)) < 120,
    )
    start = int(np.random.default_rng(7).integers(2**31))
    means = KMeans(4, n_init=10, random_state=start).fit(members)
    of_members, of_holdout, of_release = (means.predict(group) for group in (members, holdout, release))
    total, weight, values = 0.0, 0, []
    for label in range(4):
        inside = release[of_release == label]
        if len(inside) > LEAST_IN_CELL:
            people = holdout[of_holdout == label]
            values.append(naive_z(inside, people, members[of_members == label]))
            total, weight = total + len(people) * values[-1], weight + len(people)
    assert 0 < len(values) < 4
    assert found.cells_used == len(values)
    assert found.c_t == pytest.approx(total / weight)
    assert found.cell_minimum == pytest.approx(min(values))


@pytest.mark.parametrize(("fewest", "cells"), [(0, 1), (39, 1), (40, 2), (75, 3), (100, 5), (5000, 5)])
def test_number_of_cells_leaves_twenty_in_each(fewest: int, cells: int) -> None:
    assert number_of_cells(fewest) == cells


def test_too_small_a_release_has_no_cell_and_gives_the_whole() -> None:
    rng = np.random.default_rng(2)
    found = run(*rng.normal(size=(2, 30, 2)), rng.normal(size=(5, 2)))
    assert found.cells_used == 0
    assert found.c_t == found.cell_minimum == found.z_u


def test_copies_are_seen_by_either_p_value() -> None:
    rng = np.random.default_rng(3)
    members, holdout = rng.normal(size=(2, 50, 4))
    found = run(members, holdout, np.repeat(members, 2, axis=0) + rng.normal(0, 0.05, (100, 4)), draws=99)
    assert found.c_t < -3
    assert found.p_value == found.cell_p_value == 0.01


def test_a_release_nearer_to_everybody_is_accused_by_z_and_acquitted_by_the_labels() -> None:
    rng = np.random.default_rng(4)
    p_values = []
    for seed in range(8):
        members, holdout, other = rng.normal(size=(3, 60, 6))
        found = run(members, holdout, 0.4 * other, seed=seed)
        assert found.z_u < -3
        p_values.append(found.p_value)
    assert np.median(p_values) > 0.1


def test_one_copied_region_is_in_the_minimum_and_not_in_the_mean() -> None:
    rng = np.random.default_rng(5)
    centres = np.repeat([[0, 0], [60, 0], [0, 60], [60, 60], [150, 150]], 25, axis=0)
    members, holdout = centres + rng.normal(size=(125, 2)), centres + rng.normal(size=(125, 2))
    release = centres + rng.normal(0, 3, size=(125, 2))
    release[:25] = members[:25] + rng.normal(0, 0.01, (25, 2))
    found = run(members, holdout, release, draws=99)
    assert found.c_t > 0
    assert found.cell_minimum < -3
    assert found.cell_p_value == 0.01


def test_p_value_with_images_of_patients_counts_patients() -> None:
    """Two patients a side can be assigned in six ways: copies of all members' images cannot have a lower p."""
    rng = np.random.default_rng(6)
    members, holdout = rng.normal(size=(2, 40, 3))
    found = run(members, holdout, members.copy(), draws=400, images=20)
    assert found.z_u < -3
    assert found.p_value == pytest.approx(1 / 6, abs=0.08)
