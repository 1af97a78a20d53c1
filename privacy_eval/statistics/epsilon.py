"""T10: how large ε must at least be, from the scores of canaries that were put in and of canaries left out.

Every canary went in or stayed out by its own fair coin, and an attacker scored all of them from what was released
(higher = more likely in). At a threshold t it says "in" of every score ≥ t. Each bound is one-sided: if the release
is (ε, δ)-DP, a bound exceeds ε in at most 1 − confidence of all runs. A bound above the claim is a bug; one below
proves nothing. The four are taken alone: the largest of several does not have the confidence of one.

Threshold: fixed beforehand it costs nothing. Otherwise the octiles of the pooled scores are tried (and one threshold
above them all, as published implementations count it) and the error probability is divided by their number k ≤ 8.
Candidates are chosen from the pooled scores alone, never by which guesses were right: the corners of the ROC curve
would depend on the coins. The one-run bounds hold given the scores, so for them this is exact; for the two-population
bounds it is the field's convention (simulated: 400 canaries of a correct mechanism exceed its μ in 2 of 3,000 runs).
All distinct scores would be as valid and weaker: with 400 canaries k = 401 costs one run nearly all it can show.

What m canaries can show is limited. Perfect attack, confidence .95, m = 400, δ = 1e-5, fixed threshold against
octiles: one run 4.2 and about 3.5, so that it cannot contradict a claim of ε = 8; f-DP one run 8.4 and about 6;
GDP 26 and about 18.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit, ndtr, ndtri
from scipy.stats import beta, binom, norm

from privacy_eval.errors import InputError
from privacy_eval.statistics.tradeoff import gdp_epsilon

OCTILES: Final = np.arange(1, 8) / 8
"""Ranks of the candidate thresholds among the pooled scores."""

LARGEST_MU: Final = 16.0
"""Where the search of the f-DP bound ends; a thousand canaries, all guessed right, show 2."""

BISECTIONS: Final = 30
"""Halvings of [0, LARGEST_MU]: μ to 2e-8, from below."""


@dataclass(frozen=True)
class Guesses:
    """What saying "in" above each candidate threshold gets right and wrong.

    Attributes:
        right: canaries that were in among those named, one count a threshold, shape (k,).
        wrong: canaries that were out among those named, shape (k,).
        n_inside: canaries that were in.
        n_outside: canaries that were out.
    """

    right: np.ndarray
    wrong: np.ndarray
    n_inside: int
    n_outside: int

    @property
    def n_thresholds(self) -> int:
        """k, by which the error probability is divided."""
        return len(self.right)

    @property
    def n(self) -> int:
        """All canaries, m."""
        return self.n_inside + self.n_outside


@dataclass(frozen=True)
class EpsilonBounds:
    """Four lower bounds of ε at one δ, each at `confidence` taken alone; 0 where nothing was shown.

    Attributes:
        clopper_pearson: assumes that the canaries of either group are independent draws.
        one_run: assumes nothing beyond the fair coins.
        fdp_one_run: assumes the fair coins, and that the claim is that of a Gaussian mechanism.
        gdp: assumes independent draws and a Gaussian trade-off: the sharpest bug-finder.
        delta: the δ of all four.
        confidence: of each alone.
        n_inside: canaries that were in.
        n_outside: canaries that were out.
        n_thresholds: 1 if the threshold was fixed beforehand.
    """

    clopper_pearson: float
    one_run: float
    fdp_one_run: float
    gdp: float
    delta: float
    confidence: float
    n_inside: int
    n_outside: int
    n_thresholds: int


def epsilon_lower_bounds(
    scores_in: np.ndarray,
    scores_out: np.ndarray,
    delta: float,
    confidence: float = 0.95,
    threshold: float | None = None,
) -> EpsilonBounds:
    """All four bounds from one run's canaries.

    Args:
        scores_in: scores of the canaries that were in, shape (n_inside,); higher = more likely in.
        scores_out: scores of those left out, shape (n_outside,).
        delta: δ of the claim, in [0, 1); at 0 the two Gaussian bounds are 0 or infinite.
        confidence: of each bound, in (0, 1).
        threshold: chosen before the scores were seen; None tries the octiles at their cost.

    Raises:
        InputError: no canary in one of the groups, or a score that is not finite.
    """
    if not (0 <= delta < 1 and 0 < confidence < 1):
        raise ValueError(f"Expected 0 <= delta={delta} < 1 and 0 < confidence={confidence} < 1.")
    guesses = count_guesses(scores_in, scores_out, threshold)
    return EpsilonBounds(
        clopper_pearson=clopper_pearson_epsilon(guesses, delta, confidence),
        one_run=one_run_epsilon(guesses, delta, confidence),
        fdp_one_run=gdp_epsilon(fdp_one_run_mu(guesses, confidence), delta),
        gdp=gdp_epsilon(gdp_mu(guesses, confidence), delta),
        delta=delta,
        confidence=confidence,
        n_inside=guesses.n_inside,
        n_outside=guesses.n_outside,
        n_thresholds=guesses.n_thresholds,
    )


def count_guesses(scores_in: np.ndarray, scores_out: np.ndarray, threshold: float | None = None) -> Guesses:
    """Right and wrong guesses at the fixed threshold, or at the octiles of the pooled scores and above them all."""
    inside, outside = np.sort(np.ravel(scores_in)), np.sort(np.ravel(scores_out))
    if not len(inside) or not len(outside):
        raise InputError(
            f"Canary scores: found {len(inside)} canaries in and {len(outside)} out, expected at least one of each; "
            "plant more canaries."
        )
    pooled = np.concatenate([inside, outside])
    if not np.isfinite(pooled).all():
        raise InputError(
            f"Canary scores: {np.sum(~np.isfinite(pooled))} of {len(pooled)} are not finite numbers; "
            "score every canary, in or out, by the same attack."
        )
    octiles = np.quantile(pooled, OCTILES, method="higher")
    candidates = np.append(np.unique(octiles), np.inf) if threshold is None else np.array([threshold])
    return Guesses(
        right=len(inside) - np.searchsorted(inside, candidates),
        wrong=len(outside) - np.searchsorted(outside, candidates),
        n_inside=len(inside),
        n_outside=len(outside),
    )


def clopper_pearson_epsilon(guesses: Guesses, delta: float, confidence: float = 0.95) -> float:
    """Two populations: max over thresholds of ln((TPR_low − δ) / FPR_high) (Nasr et al. 2021, arXiv 2101.04535).

    TPR_low and FPR_high are Clopper-Pearson bounds, each at (1 − confidence) / 2k. With n canaries in either group
    a perfect attack reaches about ln(n / 3.7).
    """
    fpr_high, fnr_high = _error_rates(guesses, confidence)
    shown = 1 - fnr_high > delta
    ratios = (1 - fnr_high[shown] - delta) / fpr_high[shown]
    return float(np.log(max(1.0, ratios.max(initial=1.0))))


def one_run_epsilon(guesses: Guesses, delta: float, confidence: float = 0.95) -> float:
    """One run: the largest ε contradicted by v right of g guesses (Steinke, Nasr, Jagielski 2023, 2305.08846).

    Contradicted: `one_run_p_value` ≤ (1 − confidence) / k. At δ = 0 that is the logit of the Clopper-Pearson lower
    bound of v / g. With r guesses, all right, it is about ln(r / 3): only a canary that was in can be guessed.
    """
    alpha = (1 - confidence) / guesses.n_thresholds
    named = guesses.right + guesses.wrong
    ceilings = np.full(len(named), -np.inf)  # a δ above 0 only lowers the bound
    some = guesses.right > 0
    ceilings[some] = logit(beta.ppf(alpha, guesses.right[some], guesses.wrong[some] + 1))
    best = 0.0
    for index in np.argsort(-ceilings):
        if ceilings[index] <= best:
            break
        excess = _one_run_excess(guesses.n, int(named[index]), int(guesses.right[index]), delta, alpha)
        if excess(best) < 0:
            best = ceilings[index] if delta == 0 else brentq(excess, best, ceilings[index] + 1, xtol=1e-9)
    return float(best)


def one_run_p_value(epsilon: float, delta: float, n: int, named: int, right: int) -> float:
    """P[at least `right` of `named` guesses right | (ε, δ)-DP, n fair coins], bounded from above.

    P[X ≥ v] + 2mδ · max over i of (P[X ≥ v − i] − P[X ≥ v]) / i, X binomial with e^ε/(1 + e^ε) (2305.08846, theorem
    5.2 and its algorithm).
    """
    rate = 1 / (1 + np.exp(-epsilon))
    tail = float(binom.sf(right - 1, named, rate))
    if delta == 0 or right == 0:
        return tail
    steps = np.arange(1, right + 1)
    slope = float(np.max((binom.sf(right - steps - 1, named, rate) - tail) / steps))
    return min(1.0, tail + 2 * n * delta * slope)


def fdp_one_run_mu(guesses: Guesses, confidence: float = 0.95) -> float:
    """One run against a Gaussian trade-off: the largest μ contradicted (Mahloujifar, Melis, Chaudhuri, 2410.22235).

    Its ε is `gdp_epsilon` of it. The recursion bounds how many of g guesses can be right with probability alpha when
    the mechanism is μ-GDP; all candidate thresholds and one μ are run through it at once, and only those that
    contradict a μ are tried at a larger one.
    """
    alpha = (1 - confidence) / guesses.n_thresholds
    right, wrong = guesses.right[guesses.right > 0], guesses.wrong[guesses.right > 0]
    low, high = 0.0, LARGEST_MU
    contradicting = _contradicts(0.0, right, wrong, guesses.n, alpha)
    if not contradicting.any():
        return 0.0
    right, wrong = right[contradicting], wrong[contradicting]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        contradicting = _contradicts(middle, right, wrong, guesses.n, alpha)
        if contradicting.any():
            low, right, wrong = middle, right[contradicting], wrong[contradicting]
        else:
            high = middle
    return low


def gdp_mu(guesses: Guesses, confidence: float = 0.95) -> float:
    """Gaussian trade-off: max over thresholds of −Φ⁻¹(FPR_high) − Φ⁻¹(FNR_high) (Nasr et al. 2023, 2302.07956).

    Clopper-Pearson bounds, each at (1 − confidence) / 2k. Its ε is `gdp_epsilon` of it. Not free of assumptions: a
    mechanism whose trade-off is not Gaussian can exceed its ε here without a bug.
    """
    fpr_high, fnr_high = _error_rates(guesses, confidence)
    return float(max(0.0, np.max(-norm.ppf(fpr_high) - norm.ppf(fnr_high))))


def _error_rates(guesses: Guesses, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper bounds of FPR and FNR at every threshold, all holding together at `confidence`."""
    alpha = (1 - confidence) / (2 * guesses.n_thresholds)
    missed = guesses.n_inside - guesses.right
    return _rate_high(guesses.wrong, guesses.n_outside, alpha), _rate_high(missed, guesses.n_inside, alpha)


def _rate_high(count: np.ndarray, n: int, alpha: float) -> np.ndarray:
    """`counts.clopper_pearson`'s upper bound, for arrays."""
    return np.where(count == n, 1.0, beta.isf(alpha, count + 1, np.maximum(n - count, 1)))


def _one_run_excess(n: int, named: int, right: int, delta: float, alpha: float) -> Callable[[float], float]:
    return lambda epsilon: one_run_p_value(epsilon, delta, n, named, right) - alpha


def _contradicts(mu: float, right: np.ndarray, wrong: np.ndarray, n: int, alpha: float) -> np.ndarray:
    """Which (right, wrong) a μ-GDP mechanism reaches with probability below alpha: 2410.22235, `audit_rh_with_cap`.

    r and h stand for the mass of right and of wrong guesses among the outcomes with at least i right ones.
    """
    named = right + wrong
    enough = named / n
    r, h = alpha * right / n, alpha * wrong / n
    for step in range(int(right.max(initial=0))):
        raised = np.maximum(h, ndtr(ndtri(r) - mu))
        if not np.any((raised > h) & (r + h <= enough)):  # r and h only grow
            break
        left = np.maximum(right - 1 - step, 0)  # where it is 0, r stays and so does h from then on
        r = np.minimum(1.0, r + left / (named - left) * (raised - h))
        h = raised
    return r + h > enough
