"""P1: C_T over the width of a kernel density on two moons, from copying to underfitting (Meehan et al. 2020)."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import make_moons

from privacy_eval.attacks.copying import Scores, cells, copying_scores

MEMBERS, HOLDOUT, RELEASE, CELLS = 2000, 1000, 1000, 5
SEEDS: Final = [pytest.param(2, id="fast"), pytest.param(10, marks=pytest.mark.full, id="full")]
"""How many of the seeds 0, 1, …"""

REFERENCE_SEEDS: Final = 10


class Row(NamedTuple):
    """Width of the kernel; C_T and its SD over ten seeds; Z_U."""

    width: float
    c_t: float
    deviation: float
    z_u: float


TABLE: Final = [
    Row(0.001, -17.36, 0.05, -38.53),
    Row(0.003, -16.64, 0.10, -36.99),
    Row(0.01, -11.46, 0.24, -25.52),
    Row(0.03, -3.13, 0.24, -6.94),
    Row(0.05, -1.15, 0.39, -2.62),
    Row(0.1, 0.17, 0.32, 0.40),
    Row(0.13, 0.58, 0.29, 1.36),
    Row(0.2, 1.98, 0.47, 4.44),
    Row(0.3, 3.35, 0.52, 7.60),
    Row(0.5, 5.84, 0.48, 13.17),
    Row(1.0, 10.28, 0.26, 23.20),
]


def moons(n: int, rng: np.random.Generator) -> np.ndarray:
    return make_moons(n, noise=0.2, random_state=int(rng.integers(2**31)))[0]


@cache
def scores(width: float | None, seed: int) -> Scores:
    """C_T of a kernel density of `width` on the members, or of a fresh sample where it is None."""
    rng = np.random.default_rng(seed)
    members, holdout = moons(MEMBERS, rng), moons(HOLDOUT, rng)
    if width is None:
        release = moons(RELEASE, rng)
    else:
        release = members[rng.integers(MEMBERS, size=RELEASE)] + rng.normal(0, width, (RELEASE, 2))
    real = np.concatenate([members, holdout])
    found = cells(members, real, release, cdist(release, real), cdist(real, real), CELLS, rng)
    return copying_scores(found, np.arange(len(real)) < MEMBERS)


def measured_rows(seeds: int = 10) -> list[dict[str, str | float]]:
    """The measured table: one row a width, means and SDs over the seeds beside the published values."""
    rows: list[dict[str, str | float]] = []
    for row in TABLE:
        found = [scores(row.width, seed) for seed in range(seeds)]
        c_t, z_u = np.array([score.c_t for score in found]), np.array([score.z_u for score in found])
        rows.append({
            "kernel width": row.width,
            "C_T": float(c_t.mean()), "SD": float(c_t.std(ddof=1)), "C_T expected": row.c_t,
            "Z_U": float(z_u.mean()), "Z_U expected": row.z_u,
        })
    return rows


@pytest.mark.parametrize("seeds", SEEDS)
def test_curve(seeds: int) -> None:
    """C_T within .5 or 3 SD; Z_U, whose SD is √5 times C_T's or less, within as many of its own."""
    for row, found in zip(TABLE, measured_rows(seeds), strict=True):
        error = np.sqrt(1 / seeds + 1 / REFERENCE_SEEDS)
        assert found["C_T"] == pytest.approx(row.c_t, abs=max(0.5, 3 * row.deviation)), row
        assert found["Z_U"] == pytest.approx(row.z_u, abs=max(0.25, 3 * np.sqrt(5) * row.deviation * error)), row


@pytest.mark.parametrize("seeds", SEEDS)
def test_curve_rises_with_the_width_in_every_seed(seeds: int) -> None:
    for seed in range(seeds):
        wide = [scores(row.width, seed).z_u for row in TABLE if row.width in (0.001, 0.01, 0.05, 0.2, 0.5, 1.0)]
        assert (np.diff(wide) > 0).all()


@pytest.mark.parametrize("seeds", SEEDS)
def test_floor_is_not_passed(seeds: int) -> None:
    assert all(scores(0.001, seed).z_u >= -38.73 for seed in range(seeds))


@pytest.mark.parametrize("draws", [pytest.param(8, id="fast"), pytest.param(200, marks=pytest.mark.full, id="full")])
def test_z_of_a_fresh_sample_is_about_standard_normal(draws: int) -> None:
    """Reference: mean .03, SD .975 over 200 draws. L is taken to one and the same training set, so SD is near 1."""
    z = np.array([scores(None, 1000 + seed).z_u for seed in range(draws)])
    assert z.mean() == pytest.approx(0, abs=4 / np.sqrt(draws))
    assert z.std(ddof=1) == pytest.approx(1, abs=4 / np.sqrt(2 * draws))
