"""Distances between sets of vectors."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances

from privacy_eval.errors import InputError
from privacy_eval.spaces.nearest import (
    UNRELATED,
    distance_matrix,
    nearest_distance,
    nearest_of_patients,
    nearest_target,
)


def naive(queries: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.array([[np.sqrt(np.sum((q.astype(float) - t) ** 2)) for t in targets] for q in queries])


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.sampled_from([np.float32, np.float64]),
       st.integers(1, 5000))
@settings(max_examples=40)
def test_distances_are_those_of_all_pairs_for_any_chunk(n: int, m: int, features: int, dtype: type,
                                                        chunk_bytes: int) -> None:
    rng = np.random.default_rng(n + 31 * m)
    queries, targets = rng.normal(size=(n, features)).astype(dtype), rng.normal(size=(m, features)).astype(dtype)
    tolerance = 1e-4 if dtype is np.float32 else 1e-7
    expected = naive(queries, targets)
    np.testing.assert_allclose(distance_matrix(queries, targets, chunk_bytes), expected, rtol=tolerance)
    np.testing.assert_allclose(nearest_distance(queries, targets, chunk_bytes), expected.min(axis=1), rtol=tolerance)
    rows, distances = nearest_target(queries, targets, chunk_bytes)
    np.testing.assert_allclose(expected[np.arange(n), rows], distances, rtol=tolerance)


def test_many_queries_take_several_chunks() -> None:
    rng = np.random.default_rng(0)
    queries, targets = rng.normal(size=(2500, 3)), rng.normal(size=(40, 3))
    np.testing.assert_allclose(distance_matrix(queries, targets), pairwise_distances(queries, targets), rtol=1e-9)


def test_a_bit_identical_copy_is_at_zero_and_first() -> None:
    rng = np.random.default_rng(1)
    queries = unit(rng.normal(size=(20, 5000)))
    near = unit(queries + 1e-5 * rng.normal(size=queries.shape))
    rows, distances = nearest_target(queries, np.concatenate([near, queries]))
    np.testing.assert_array_equal(rows, 20 + np.arange(20))
    assert (distances == 0).all()


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-2])
def test_small_distances_do_not_cancel(noise: float) -> None:
    rng = np.random.default_rng(2)
    queries = unit(rng.normal(size=(10, 400)))
    near = (queries + noise / 20 * rng.normal(size=queries.shape)).astype(np.float32)
    expected = naive(queries, near)
    np.testing.assert_allclose(np.diag(distance_matrix(queries, near)), np.diag(expected), rtol=1e-4)
    np.testing.assert_allclose(nearest_distance(queries, near), expected.min(axis=1), rtol=1e-4)


def test_far_from_the_origin_nothing_is_lost() -> None:
    rng = np.random.default_rng(3)
    queries, targets = (1000 + rng.normal(size=(n, 6)) for n in (8, 9))
    np.testing.assert_allclose(distance_matrix(queries, targets), naive(queries, targets), rtol=1e-6)


def test_vectors_of_zeros_are_unrelated_to_everything() -> None:
    queries, targets = np.eye(3)[:2], np.eye(3)[1:]
    queries[0] = targets[1] = 0
    expected = [[UNRELATED, UNRELATED], [0, UNRELATED]]
    np.testing.assert_array_equal(distance_matrix(queries, targets), expected)
    np.testing.assert_array_equal(nearest_distance(queries, targets), [UNRELATED, 0])


def test_a_patient_counts_with_its_nearest_image() -> None:
    rng = np.random.default_rng(4)
    queries, targets = rng.normal(size=(12, 3)), rng.normal(size=(5, 3))
    owners = np.array([0, 1, 2, 3, 0, 1, 2, 3, 3, 3, 2, 0])
    each = naive(queries, targets).min(axis=1)
    np.testing.assert_allclose(nearest_of_patients(queries, owners, targets),
                               [each[owners == patient].min() for patient in range(4)])


def test_memory_is_bounded_by_the_chunk() -> None:
    rng = np.random.default_rng(5)
    queries, targets = rng.normal(size=(300, 2000)), rng.normal(size=(3000, 2000)).astype(np.float16)
    tracemalloc.start()
    nearest_distance(queries, targets, chunk_bytes=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * 2**20


def test_no_target_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no target"):
        nearest_distance(np.zeros((2, 3)), np.zeros((0, 3)))
    assert nearest_distance(np.zeros((0, 3)), np.ones((2, 3))).shape == (0,)
