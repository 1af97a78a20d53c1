"""Trained attackers: what shadow generators, trained on other splits, say about each patient's score.

An attacker who can draw patients of the same population trains generators as the audited one was trained, on random
halves of them, and takes the same score (T1's, T4's) of every patient at each. How high a patient scores where he was
in, and where he was out, says what his score at the audited generator means: patients differ in how hard they are.

Scores are higher for members. LiRA fits a Gaussian to each patient (Carlini et al. 2022, arXiv 2112.03570, section V),
RMIA compares likelihood ratios with those of a population (Zarifzadeh et al. 2024, arXiv 2312.03262, section 3).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from privacy_eval.errors import InputError

LEAST_SHADOWS: Final = 2
"""Shadows with, and shadows without, a patient below which its scores have no spread."""

Variance = Literal["pooled", "patient"]
"""pooled: one spread over all patients, as Carlini et al. advise for few shadows; patient: each patient's own."""


def lira_scores(target: np.ndarray, shadow_scores: np.ndarray, shadow_in: np.ndarray, *, online: bool = True,
                variance: Variance = "pooled") -> np.ndarray:
    """LiRA: how much likelier a patient's score is of a member.

    Online: log N(s; μ_in, σ_in) − log N(s; μ_out, σ_out). Offline, for who has no shadow that saw the patient: the
    deviate (s − μ_out) / σ_out, which orders patients as the paper's one-sided probability does and does not saturate.

    Args:
        target: scores at the audited generator, shape (n,).
        shadow_scores: the same patients' scores at each shadow generator, shape (k, n).
        shadow_in: whether the shadow was trained on the patient, bool (k, n).
        online: whether shadows that saw the patient are used.
        variance: what the spreads are taken over.

    Returns:
        Shape (n,), higher for members.

    Raises:
        InputError: if shapes differ, a score is not finite, a patient has too few shadows or scores have no spread.
    """
    _check(target, shadow_scores, shadow_in, online)
    mean_out, spread_out = _fit(shadow_scores, ~shadow_in, variance)
    if not online:
        return (target - mean_out) / spread_out
    mean_in, spread_in = _fit(shadow_scores, shadow_in, variance)
    return norm.logpdf(target, mean_in, spread_in) - norm.logpdf(target, mean_out, spread_out)


def rmia_scores(target: np.ndarray, shadow_scores: np.ndarray, shadow_in: np.ndarray, population: np.ndarray,
                population_shadow_scores: np.ndarray, *, scale: float | None = None, gamma: float = 1.0,
                online: bool = True) -> np.ndarray:
    """RMIA: the share of a population that the audited generator prefers the patient to.

    LR(x, z) = (p(x|θ) / p(x)) / (p(z|θ) / p(z)); the score is the share of z with LR(x, z) ≥ γ (equations 3 and 4). A
    generator gives errors and no probabilities, so p(x|θ) = exp(score / scale): a Laplace density of an L1 error.
    p(x) is the mean over shadows, those that saw x and those that did not weighing alike; offline, over the latter
    alone. The population is in nobody's training set, so that its p(z) is a mean over all shadows.

    Args:
        target: scores at the audited generator, shape (n,).
        shadow_scores: shape (k, n).
        shadow_in: bool (k, n).
        population: scores of people who are known to be no members, at the audited generator, shape (m,).
        population_shadow_scores: the same at the shadows, shape (k, m).
        scale: of the scores; by default the pooled spread of the shadows that did not see a patient.
        gamma: by how much a patient must be preferred, > 0.
        online: whether shadows that saw the patient are used.

    Returns:
        Shape (n,), in [0, 1].

    Raises:
        InputError: as `lira_scores`, and if the population's shapes do not fit or `gamma` or `scale` is not positive.
    """
    _check(target, shadow_scores, shadow_in, online)
    if population.size == 0 or population_shadow_scores.shape != (len(shadow_scores), *population.shape):
        raise InputError(f"shadow attack: population scores have shapes {population.shape} and "
                         f"{population_shadow_scores.shape}; expected (m,) and ({len(shadow_scores)}, m), m at least 1")
    unit = _fit(shadow_scores, ~shadow_in, "pooled")[1] if scale is None else scale
    if not np.all(unit > 0) or gamma <= 0:
        raise InputError(f"shadow attack: scale = {scale}, gamma = {gamma}; expected both positive")
    logs = shadow_scores / unit
    marginal = _log_mean(logs, ~shadow_in)
    if online:
        marginal = np.logaddexp(marginal, _log_mean(logs, shadow_in)) - np.log(2)
    everyone = np.ones(population_shadow_scores.shape, bool)
    ratio = target / unit - marginal
    of_population = population / unit - _log_mean(population_shadow_scores / unit, everyone)
    return np.mean(ratio[:, None] - of_population[None, :] >= np.log(gamma), axis=1)


def random_halves(pairs: int, patients: int, rng: np.random.Generator) -> np.ndarray:
    """Which of the patients each shadow is trained on: random halves with their complements, bool (2 pairs, patients).

    Row 2i + 1 is the complement of row 2i, so that every patient is in exactly half of the shadows, and any pair can
    be attacked with the others as its shadows, which then tell nothing of its split.

    Raises:
        InputError: if there are fewer pairs than a spread needs, or fewer than two patients.
    """
    if pairs < LEAST_SHADOWS or patients < 2:
        raise InputError(f"shadow attack: {pairs} pairs of shadows and {patients} patients; expected at least "
                         f"{LEAST_SHADOWS} pairs and 2 patients")
    inside = rng.permuted(np.tile(np.arange(patients), (pairs, 1)), axis=1) < patients // 2
    return np.stack([inside, ~inside], axis=1).reshape(2 * pairs, patients)


def _fit(scores: np.ndarray, chosen: np.ndarray, variance: Variance) -> tuple[np.ndarray, np.ndarray | float]:
    """Each patient's mean over the chosen shadows, and the spread."""
    counts = chosen.sum(axis=0)
    mean = np.where(chosen, scores, 0).sum(axis=0) / counts
    squares = np.where(chosen, (scores - mean) ** 2, 0).sum(axis=0)
    spread = np.sqrt(squares / (counts - 1)) if variance == "patient" else np.sqrt(
        squares.sum() / (counts - 1).sum())
    if not np.all(spread > 0):
        raise InputError("shadow attack: scores do not differ between shadows; expected generators of other training")
    return mean, spread


def _log_mean(logs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Logarithm of each column's mean of exponentials over the chosen rows."""
    return logsumexp(np.where(chosen, logs, -np.inf), axis=0) - np.log(chosen.sum(axis=0))


def _check(target: np.ndarray, shadow_scores: np.ndarray, shadow_in: np.ndarray, online: bool) -> None:
    if target.ndim != 1 or shadow_scores.shape[1:] != target.shape or shadow_in.shape != shadow_scores.shape:
        raise InputError(f"shadow attack: scores of shape {target.shape} at the target, {shadow_scores.shape} at the "
                         f"shadows, who was in {shadow_in.shape}; expected (n,), (k, n) and (k, n)")
    if not (np.isfinite(target).all() and np.isfinite(shadow_scores).all()):
        raise InputError("shadow attack: scores are not all finite; expected finite numbers, check the generators")
    for kind, seen in {"with": shadow_in, "without": ~shadow_in}.items():
        fewest = int(seen.sum(axis=0).min())
        if fewest < LEAST_SHADOWS and (online or kind == "without"):
            raise InputError(f"shadow attack: a patient has {fewest} shadows {kind} it; expected at least "
                             f"{LEAST_SHADOWS}, train more")
