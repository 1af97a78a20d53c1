"""T7: synthetic images lie nearer to the members than fresh people do, as a whole or in one region.

Notation of Meehan, Chaudhuri, Dasgupta (AISTATS 2020): T the members trained on, P the holdout, Q the release, and
L the distance to the nearest member. Z << 0 says copying, Z >> 0 underfitting. The normal null of Z holds only if
Q is distributed as P: blurry releases lie nearer to everything, members and holdout alike, and would be accused for
that. So the decision rests on permuted labels, which ask whether the release is nearer to *these* patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from privacy_eval.statistics.permutation import DRAWS, permutation_test
from privacy_eval.statistics.ranks import mann_whitney_u

MOST_CELLS: Final = 5
LEAST_IN_CELL: Final = 20
"""A cell counts only if more synthetic images than this lie in it (τ = 20/m), and cells are as many as allow it."""


@dataclass(frozen=True)
class Copying:
    """T7.

    Attributes:
        c_t: mean of Z over the cells, weighted by their share of the holdout; cells by k-means on the members.
        z_u: Z with all images in one cell.
        cell_minimum: the smallest Z of a cell.
        cells_used: cells that hold enough synthetic images, members and holdout; with 0 of them C_T and the minimum
            are `z_u`.
        p_value: of a C_T as low, under permuted labels; cells by k-means on members and holdout together, so that
            they know no label.
        cell_p_value: of a minimum over these cells as low, likewise.
    """

    c_t: float
    z_u: float
    cell_minimum: float
    cells_used: int
    p_value: float
    cell_p_value: float


class Scores(NamedTuple):
    """Statistics of one assignment of labels; as in `Copying`."""

    c_t: float
    z_u: float
    cell_minimum: float
    cells_used: int


class Cell(NamedTuple):
    """One region: its real rows, (n,) indices, and distances among what lies in it.

    `to_synthetic` is (n, m) for m synthetic images in the cell, `to_real` (n, n).
    """

    real: np.ndarray
    to_synthetic: np.ndarray
    to_real: np.ndarray


def copying(
    real: np.ndarray,
    synthetic: np.ndarray,
    synthetic_to_real: np.ndarray,
    real_to_real: np.ndarray,
    is_member: np.ndarray,
    owners: np.ndarray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Copying:
    """T7 of one site.

    Args:
        real: vectors of members and holdout, (n, features): for the cells alone.
        synthetic: vectors of the release, (m, features): for the cells alone.
        synthetic_to_real: distances, (m, n).
        real_to_real: distances, (n, n).
        is_member: each real row's label, (n,) bool.
        owners: each real row's patient, (n,): the rows of one patient move together.
        rng: draws k-means' starts and the assignments.
        draws: assignments drawn.
    """
    is_member = np.asarray(is_member, bool)
    n_cells = number_of_cells(min(is_member.sum(), (~is_member).sum(), len(synthetic)))
    on_members = cells(real[is_member], real, synthetic, synthetic_to_real, real_to_real, n_cells, rng)
    unlabelled = cells(real, real, synthetic, synthetic_to_real, real_to_real, n_cells, rng)

    def statistics(labels: np.ndarray) -> np.ndarray:
        scores = copying_scores(unlabelled, labels)
        return -np.array([scores.c_t, scores.cell_minimum])

    _, (p_value, cell_p_value) = permutation_test(statistics, is_member, owners, rng, draws)
    return Copying(*copying_scores(on_members, is_member), float(p_value), float(cell_p_value))


def number_of_cells(fewest: int) -> int:
    """Cells for which the smallest of the three groups has on average `LEAST_IN_CELL` images each, 1 to 5."""
    return int(np.clip(fewest // LEAST_IN_CELL, 1, MOST_CELLS))


def cells(
    fit_on: np.ndarray,
    real: np.ndarray,
    synthetic: np.ndarray,
    synthetic_to_real: np.ndarray,
    real_to_real: np.ndarray,
    n_cells: int,
    rng: np.random.Generator,
) -> list[Cell]:
    """All images as one cell, then the cells of k-means fitted on `fit_on`; shapes as in `copying`."""
    every = np.arange(len(real))
    to_synthetic = np.ascontiguousarray(synthetic_to_real.T)
    found = [Cell(every, to_synthetic, np.asarray(real_to_real))]
    if n_cells == 1:
        return found * 2
    means = KMeans(n_cells, n_init=10, random_state=int(rng.integers(2**31))).fit(fit_on)
    of_real, of_synthetic = means.predict(real), means.predict(synthetic)
    for label in range(n_cells):
        rows = np.flatnonzero(of_real == label)
        inside = np.ascontiguousarray(to_synthetic[rows][:, of_synthetic == label])
        found.append(Cell(rows, inside, real_to_real[np.ix_(rows, rows)]))
    return found


def copying_scores(everywhere_then_cells: Sequence[Cell], is_member: np.ndarray) -> Scores:
    """C_T = Σ P(π) Z(π) / Σ P(π) over cells π with more than `LEAST_IN_CELL` synthetic images; Z_U; minimum."""
    everywhere, *parts = everywhere_then_cells
    z_u = _z_in(everywhere, is_member)
    used, weights = [], []
    for cell in parts:
        members = int(is_member[cell.real].sum())
        holdout = len(cell.real) - members
        if cell.to_synthetic.shape[1] > LEAST_IN_CELL and members and holdout:
            used.append(_z_in(cell, is_member))
            weights.append(holdout)
    if not used:
        return Scores(z_u, z_u, z_u, 0)
    return Scores(float(np.average(used, weights=weights)), z_u, min(used), len(used))


def z_u(synthetic: np.ndarray, holdout: np.ndarray) -> float:
    """(U − nm/2 + ½) / √(nm(n + m + 1)/12), U = #{(q, p): L(q) > L(p)}, ties counted half.

    Args:
        synthetic: L of each synthetic image, (m,).
        holdout: L of each holdout image, (n,).
    """
    m, n = len(synthetic), len(holdout)
    u = mann_whitney_u(synthetic, holdout)
    return float((u - n * m / 2 + 0.5) / np.sqrt(n * m * (n + m + 1) / 12))


def _z_in(cell: Cell, is_member: np.ndarray) -> float:
    members = is_member[cell.real]
    to_members = cell.to_real[members]
    return z_u(cell.to_synthetic[members].min(axis=0), to_members[:, ~members].min(axis=0))
