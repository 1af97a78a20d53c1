"""Distances between sets of vectors: one BLAS product a chunk, memory bounded, exact where they are small.

|a − b|² = |a|² + |b|² − 2 a·b turns all distances of a chunk into one matrix product, but cancels where a and b are
nearly the same, which is where an audit looks; such pairs are computed again from their difference, so that a
bit-identical copy is at exactly 0.

A vector of zeros has no direction: it stands for an image without what the space compares, such as a tumour. It is
√2 away from everything, another such image included: the distance of unit vectors that have nothing in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.spaces.images import score_of_patients

CHUNK_BYTES: Final = 64 * 2**20
"""Memory that a chunk of targets and its distances may take."""

UNRELATED: Final = float(np.sqrt(2))
"""Distance from a vector of zeros to anything."""

_QUERIES: Final = 1024
"""Queries in one chunk."""

_SMALL: Final = 1e5
"""Squared distances below this many machine epsilons of |a|² + |b|² are computed again from the difference: .012 in
float32, where the product's error of some 10 epsilons would be seen."""


def nearest_distance(queries: np.ndarray, targets: np.ndarray, chunk_bytes: int = CHUNK_BYTES) -> np.ndarray:
    """Euclidean distance from each query (n, features) to its nearest target (m, features), shape (n,) float64.

    Args:
        queries: vectors, float32 or float64.
        targets: vectors of the same space.
        chunk_bytes: what a chunk may take beside the two arrays; the time does not depend on it within reason.

    Raises:
        InputError: if there is no target.
    """
    return nearest_target(queries, targets, chunk_bytes)[1]


def nearest_target(queries: np.ndarray, targets: np.ndarray,
                   chunk_bytes: int = CHUNK_BYTES) -> tuple[np.ndarray, np.ndarray]:
    """Row of each query's nearest target, shape (n,), the first of several, and its distance, shape (n,) float64.

    Raises:
        InputError: if there is no target.
    """
    if len(targets) == 0:
        raise InputError("nearest distance: no target image; expected at least one")
    rows, distances = np.zeros(len(queries), np.intp), np.full(len(queries), np.inf)
    for some, others, block in _blocks(queries, targets, chunk_bytes):
        best = np.argmin(block, axis=1)
        least = block[np.arange(len(best)), best]
        nearer = least < distances[some]
        rows[some] = np.where(nearer, best + others.start, rows[some])
        distances[some] = np.where(nearer, least, distances[some])
    return rows, distances


def distance_matrix(queries: np.ndarray, targets: np.ndarray, chunk_bytes: int = CHUNK_BYTES) -> np.ndarray:
    """Euclidean distances of all pairs, shape (n, m) float64; `chunk_bytes` bounds what is needed beside them."""
    distances = np.empty((len(queries), len(targets)))
    for some, others, block in _blocks(queries, targets, chunk_bytes):
        distances[some, others] = block
    return distances


def nearest_of_patients(queries: np.ndarray, owners: np.ndarray, targets: np.ndarray,
                        chunk_bytes: int = CHUNK_BYTES) -> np.ndarray:
    """Distance from the nearest of each patient's images to its nearest target, shape (n_patients,).

    Args:
        queries: vectors of the patients' images, (n, features).
        owners: each row's patient, (n,), as `ImageSet.owners`; patients come in the order of their numbers.
        targets: vectors, (m, features).
        chunk_bytes: as in `nearest_distance`.

    Raises:
        InputError: if there is no target.
    """
    return -score_of_patients(-nearest_distance(queries, targets, chunk_bytes), owners)


def _blocks(queries: np.ndarray, targets: np.ndarray,
            chunk_bytes: int) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Rows, columns and distances of block after block."""
    dtype = np.float64 if np.result_type(queries, targets) == np.float64 else np.float32
    features, rows = queries.shape[1], min(_QUERIES, max(len(queries), 1))
    bytes_a_target = np.dtype(dtype).itemsize * (features + 3 * rows)  # its copy, its distances and what they pass by
    columns = max(1, chunk_bytes // bytes_a_target)
    query_sizes = _squared_lengths(queries)
    for left in range(0, len(targets), columns):
        others = slice(left, min(left + columns, len(targets)))
        their = np.asarray(targets[others], dtype)
        their_sizes = _squared_lengths(their)
        for top in range(0, len(queries), rows):
            some = slice(top, min(top + rows, len(queries)))
            yield some, others, _distances(np.asarray(queries[some], dtype), query_sizes[some], their, their_sizes)
        del their  # else this chunk's copy would stand beside the next one's


def _distances(a: np.ndarray, a_sizes: np.ndarray, b: np.ndarray, b_sizes: np.ndarray) -> np.ndarray:
    squared = a @ b.T
    squared *= -2
    squared += a_sizes[:, None].astype(squared.dtype)
    squared += b_sizes.astype(squared.dtype)
    limit = _SMALL * np.finfo(squared.dtype).eps
    for row in np.flatnonzero(squared.min(axis=1) < limit * (a_sizes + b_sizes.max())):
        for column in np.flatnonzero(squared[row] < limit * (a_sizes[row] + b_sizes)):
            difference = a[row] - b[column]
            squared[row, column] = np.dot(difference, difference)
    distances = np.sqrt(squared, out=squared)
    distances[a_sizes == 0] = UNRELATED
    distances[:, b_sizes == 0] = UNRELATED
    return distances


def _squared_lengths(vectors: np.ndarray) -> np.ndarray:
    """|v|² of each row in float64, without a copy of the array."""
    return np.array([np.einsum("i,i->", row, row, dtype=np.float64) for row in vectors]).reshape(len(vectors))
