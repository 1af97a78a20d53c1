"""Control P3: a release of the members' mean leaks as much as its closed form says, and noise takes the leak away."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pytest

from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.statistics.tradeoff import gdp_auc

DRAWS = 200


class Row(NamedTuple):
    """Members, dimensions, SD of the noise; the formula's AUC and the reference's simulated one."""

    n: int
    dimensions: int
    noise: float
    formula: float
    simulated: float


TABLE: Final = [
    Row(50, 10, 0.0, 0.624, 0.624), Row(50, 50, 0.0, 0.760, 0.755), Row(50, 200, 0.0, 0.921, 0.923),
    Row(200, 50, 0.0, 0.638, 0.638), Row(100, 400, 0.0, 0.921, 0.922), Row(50, 200, 0.1, 0.876, 0.877),
    Row(50, 200, 0.3, 0.727, 0.726),
]  # fmt: skip


def mean_release_auc(n: int, dimensions: int, noise: float, rng: np.random.Generator) -> float:
    """Mean AUC of ⟨x, released mean⟩ over releases of the mean of n members ~ N(0, I)."""
    members = rng.normal(size=(DRAWS, n, dimensions))
    holdout = rng.normal(size=(DRAWS, n, dimensions))
    released = members.mean(axis=1) + noise * rng.normal(size=(DRAWS, dimensions))
    scores = [np.einsum("rnd,rd->rn", subjects, released) for subjects in (members, holdout)]
    return float(np.mean(mann_whitney_u(*scores)) / n**2)


def formula_auc(n: int, dimensions: int, noise: float) -> float:
    return gdp_auc(np.sqrt(dimensions) / (n * np.sqrt(1 / n + noise**2)))


def measured_rows() -> list[dict[str, str | float]]:
    """The measured table: one row a release, AUCs over 200 releases beside the formula's and the reference's."""
    rng = np.random.default_rng(300)
    return [{"members": row.n, "dimensions": row.dimensions, "noise": row.noise,
             "AUC": mean_release_auc(row.n, row.dimensions, row.noise, rng),
             "AUC by the formula": formula_auc(row.n, row.dimensions, row.noise), "AUC expected": row.simulated}
            for row in TABLE]


@pytest.mark.parametrize("row", TABLE)
def test_table_of_mean_releases(row: Row) -> None:
    assert formula_auc(row.n, row.dimensions, row.noise) == pytest.approx(row.formula, abs=6e-4)
    found = mean_release_auc(row.n, row.dimensions, row.noise, np.random.default_rng(300))
    assert found == pytest.approx(row.simulated, abs=0.01)


def test_the_noise_of_a_mean_release_that_claims_one_half() -> None:
    """So much noise that the formula gives AUC .55 must give .55."""
    n, dimensions, target = 50, 200, 0.55
    noises = np.linspace(0.3, 5, 2000)
    formula = [formula_auc(n, dimensions, noise) for noise in noises]
    noise = float(noises[np.argmin(np.abs(np.array(formula) - target))])
    assert mean_release_auc(n, dimensions, noise, np.random.default_rng(301)) == pytest.approx(target, abs=0.01)
