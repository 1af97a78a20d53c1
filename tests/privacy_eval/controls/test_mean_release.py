"""Control P3: a release of the members' mean leaks as much as its closed form says, and noise takes the leak away."""

from __future__ import annotations

import numpy as np
import pytest

from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.statistics.tradeoff import gdp_auc

DRAWS = 200


def mean_release_auc(n: int, dimensions: int, noise: float, rng: np.random.Generator) -> float:
    """Mean AUC of ⟨x, released mean⟩ over releases of the mean of n members ~ N(0, I)."""
    members = rng.normal(size=(DRAWS, n, dimensions))
    holdout = rng.normal(size=(DRAWS, n, dimensions))
    released = members.mean(axis=1) + noise * rng.normal(size=(DRAWS, dimensions))
    scores = [np.einsum("rnd,rd->rn", subjects, released) for subjects in (members, holdout)]
    return float(np.mean(mann_whitney_u(*scores)) / n**2)


@pytest.mark.parametrize(
    ("n", "dimensions", "noise", "formula", "simulated"),
    [
        (50, 10, 0.0, 0.624, 0.624), (50, 50, 0.0, 0.760, 0.755), (50, 200, 0.0, 0.921, 0.923),
        (200, 50, 0.0, 0.638, 0.638), (100, 400, 0.0, 0.921, 0.922), (50, 200, 0.1, 0.876, 0.877),
        (50, 200, 0.3, 0.727, 0.726),
    ],
)  # fmt: skip
def test_table_of_mean_releases(n: int, dimensions: int, noise: float, formula: float, simulated: float) -> None:
    mu = np.sqrt(dimensions) / (n * np.sqrt(1 / n + noise**2))
    assert gdp_auc(mu) == pytest.approx(formula, abs=6e-4)
    found = mean_release_auc(n, dimensions, noise, np.random.default_rng(300))
    assert found == pytest.approx(simulated, abs=0.01)


def test_the_noise_of_a_mean_release_that_claims_one_half() -> None:
    """So much noise that the formula gives AUC .55 must give .55."""
    n, dimensions, target = 50, 200, 0.55
    noises = np.linspace(0.3, 5, 2000)
    formula = [gdp_auc(np.sqrt(dimensions) / (n * np.sqrt(1 / n + noise**2))) for noise in noises]
    noise = float(noises[np.argmin(np.abs(np.array(formula) - target))])
    assert mean_release_auc(n, dimensions, noise, np.random.default_rng(301)) == pytest.approx(target, abs=0.01)
