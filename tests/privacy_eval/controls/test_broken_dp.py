"""Control P5: a mechanism with a quarter of the noise it claims is found out, a correct one is not accused."""

from __future__ import annotations

import numpy as np
import pytest

from privacy_eval.attacks.canaries import canary_evidence
from privacy_eval.statistics.epsilon import Guesses, count_guesses, fdp_one_run_mu, gdp_mu, one_run_epsilon
from privacy_eval.statistics.tradeoff import gaussian_mu, gaussian_sigma, gdp_epsilon

CANARIES = 400
DELTA = 1e-5
RUNS = 25
CLAIMS = (1, 2, 4, 8)
SHARES = (1, 0.5, 0.25, 0.1)
"""Of the noise that the claim needs."""


def coins_and_scores(claim: float, noise_share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Fair coins, and what a Gaussian mechanism with that share of its noise shows of each."""
    inside = rng.random(CANARIES) < 0.5
    return inside, inside + rng.normal(0, gaussian_sigma(claim, DELTA) * noise_share, CANARIES)


def runs_of(claim: float, noise_share: float, seed: int, runs: int = RUNS) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [coins_and_scores(claim, noise_share, rng) for _ in range(runs)]


def accused(claim: float, noise_share: float, runs: int, seed: int) -> float:
    """Share of runs whose GDP bound exceeds the claim; compared as μ, which says the same as ε at δ."""
    found = [gdp_mu(guesses_of(*run)) for run in runs_of(claim, noise_share, seed, runs)]
    return float(np.mean(np.array(found) > gaussian_mu(claim, DELTA)))


def measured_rows(runs: int = 400) -> list[dict[str, str | float]]:
    """The measured table: one row a claimed ε, the share of runs accused at each share of the noise it needs."""
    return [{"claim": claim, **{f"noise × {share:g}": accused(claim, share, runs, seed=506) for share in SHARES}}
            for claim in CLAIMS]


def guesses_of(inside: np.ndarray, scores: np.ndarray, threshold: float | None = None) -> Guesses:
    return count_guesses(scores[inside], scores[~inside], threshold)


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("noise_share", [0.25, 0.1])
def test_gdp_bound_flags_a_quarter_of_the_noise(claim: float, noise_share: float) -> None:
    assert accused(claim, noise_share, RUNS, seed=500) >= 0.95


@pytest.mark.parametrize(("claim", "share"), [(1, 0.7), (2, 0.9), (4, 0.9), (8, 0.0)])
def test_fdp_bound_flags_it_up_to_four(claim: float, share: float) -> None:
    """Published .96, 1, 1, 0, with thresholds counted at the corners of the ROC curve."""
    found = [fdp_one_run_mu(guesses_of(*run)) for run in runs_of(claim, 0.25, seed=501)]
    flagged = np.mean(np.array(found) > gaussian_mu(claim, DELTA))
    assert flagged >= share
    assert flagged == 0 or claim < 8


@pytest.mark.parametrize("claim", CLAIMS)
def test_correct_noise_is_not_accused_by_any_bound(claim: float) -> None:
    runs = runs_of(claim, 1.0, seed=502)
    found = [canary_evidence(scores, list(inside), DELTA).epsilon for inside, scores in runs]
    for name in ("clopper_pearson", "one_run", "fdp_one_run", "gdp"):
        assert np.mean([getattr(bounds, name) > claim for bounds in found]) <= 0.05, name


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("fixed", [False, True])
def test_gdp_bound_accuses_correct_noise_in_at_most_one_run_of_twenty(claim: float, fixed: bool) -> None:
    """The threshold, if fixed, is halfway between in and out."""
    threshold = 0.5 if fixed else None
    found = [gdp_mu(guesses_of(*run, threshold)) for run in runs_of(claim, 1.0, seed=503, runs=400)]
    assert np.mean(np.array(found) > gaussian_mu(claim, DELTA)) <= 0.05


def test_one_run_cannot_contradict_a_claim_of_eight() -> None:
    """Not even without any noise: it saturates below 3.7, and near 4.2 with a threshold fixed beforehand."""
    runs = runs_of(8, 0.0, seed=504)
    distinct = [(inside, scores + np.linspace(0, 0.1, CANARIES)) for inside, scores in runs]
    chosen = [one_run_epsilon(guesses_of(*run), DELTA) for run in distinct]
    fixed = [one_run_epsilon(guesses_of(*run, 0.5), DELTA) for run in distinct]
    assert 3.3 < np.median(chosen) < 3.7
    assert 4.1 < np.median(fixed) < 4.3
    assert max(fixed) < 4.5


def test_more_broken_shows_more() -> None:
    """At a claim of 2; published median at a quarter of the noise: 7.35."""
    medians = [np.median([gdp_mu(guesses_of(*run)) for run in runs_of(2, share, seed=505)]) for share in SHARES]
    assert medians == sorted(medians)
    assert gdp_epsilon(medians[2], DELTA) == pytest.approx(7.35, abs=1)
