"""Control P2: Gaussian scores give the closed forms, and the bounds of ε find what published bounds find."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from scipy.stats import norm

from privacy_eval.statistics.epsilon import EpsilonBounds, epsilon_lower_bounds
from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.statistics.tradeoff import gdp_advantage, gdp_auc, gdp_epsilon, gdp_tpr

SUBJECTS = 100_000
"""A side: standard errors of at most .0016, so that .005 is three of them."""


MUS: Final = (0.25, 0.5, 1, 1.5, 2, 3, 4)
RATES: Final = (0.1, 0.01)
TOLERANCE: Final = 0.005


def simulated(mu: float) -> dict[str, float]:
    """AUC, TPR at two rates and advantage of scores N(mu, 1) against N(0, 1)."""
    rng = np.random.default_rng(200)
    members, holdout = np.sort(rng.normal(mu, 1, SUBJECTS)), np.sort(rng.normal(0, 1, SUBJECTS))
    found = {"AUC": float(mann_whitney_u(members, holdout)) / SUBJECTS**2}
    found |= {f"TPR at {fpr:.0%}": float(np.mean(members > norm.isf(fpr))) for fpr in RATES}
    thresholds = np.linspace(-4, 8, 400)
    advantage = np.searchsorted(holdout, thresholds) - np.searchsorted(members, thresholds)
    return found | {"advantage": float(advantage.max()) / SUBJECTS}


def closed_forms(mu: float) -> dict[str, float]:
    rates = {f"TPR at {fpr:.0%}": gdp_tpr(mu, fpr) for fpr in RATES}
    return {"AUC": gdp_auc(mu), **rates, "advantage": gdp_advantage(mu)}


def measured_rows() -> list[dict[str, str | float]]:
    """The measured table: one row a mu, each statistic beside its closed form."""
    rows: list[dict[str, str | float]] = []
    for mu in MUS:
        found, expected = simulated(mu), closed_forms(mu)
        rows.append({"mu": mu} | {key: found[key] for key in found}
                    | {f"{key} expected": expected[key] for key in expected})
    return rows


@pytest.mark.parametrize("mu", MUS)
def test_gaussian_scores_give_the_closed_forms(mu: float) -> None:
    assert simulated(mu) == pytest.approx(closed_forms(mu), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("mu", "n", "one_run", "clopper_pearson", "fdp", "gdp"),
    [
        (1, 50, 0.32, 0.14, 0.50, 0.70), (1, 100, 0.64, 0.33, 0.90, 1.54), (1, 250, 1.04, 0.77, 1.46, 2.56),
        (1, 500, 1.30, 1.02, 1.73, 2.95), (2, 50, 1.49, 1.09, 2.46, 4.81), (2, 100, 1.80, 1.51, 2.83, 5.70),
        (2, 250, 2.36, 2.08, 3.49, 7.40), (2, 500, 2.59, 2.46, 3.77, 7.97), (3, 50, 2.07, 1.80, 3.66, 8.72),
        (3, 100, 2.57, 2.32, 4.34, 11.1), (3, 250, 3.28, 3.09, 5.25, 13.2), (3, 500, 3.59, 3.51, 5.56, 14.0),
    ],
)  # fmt: skip
def test_median_bounds_of_imperfect_attacks(
    mu: float, n: int, one_run: float, clopper_pearson: float, fdp: float, gdp: float
) -> None:
    """Published: 20 to 30 draws, thresholds at the corners of the ROC curve; so within a fifth, or .3."""
    rng = np.random.default_rng(201)
    found = [epsilon_lower_bounds(rng.normal(mu, 1, n), rng.normal(0, 1, n), 1e-5) for _ in range(21)]

    def median(name: str) -> float:
        return float(np.median([getattr(bounds, name) for bounds in found]))

    within = {"rel": 0.2, "abs": 0.3}
    assert median("one_run") == pytest.approx(one_run, **within)
    assert median("clopper_pearson") == pytest.approx(clopper_pearson, **within)
    assert median("fdp_one_run") == pytest.approx(fdp, **within)
    assert median("gdp") == pytest.approx(gdp, **within)


@pytest.mark.parametrize("mu", [0.5, 1, 2])
@pytest.mark.parametrize("threshold", [None, "middle"])
def test_bounds_exceed_the_true_epsilon_in_at_most_one_run_of_twenty(mu: float, threshold: str | None) -> None:
    true = gdp_epsilon(mu, 1e-3)
    fixed = None if threshold is None else mu / 2
    rng = np.random.default_rng(202)
    runs: list[EpsilonBounds] = []
    for _ in range(100):
        inside = rng.random(100) < 0.5
        scores = rng.normal(size=100) + mu * inside
        runs.append(epsilon_lower_bounds(scores[inside], scores[~inside], 1e-3, threshold=fixed))
    for name in ("clopper_pearson", "one_run", "fdp_one_run", "gdp"):
        assert np.mean([getattr(bounds, name) > true for bounds in runs]) <= 0.05, name
