"""What an attacker can reach under a stated privacy: closed forms of mu-GDP, ceilings of (ε, δ)-DP, posteriors.

mu-GDP (Dong, Roth, Su, "Gaussian differential privacy", JRSS-B 84:3, 2022, arXiv 1905.02383): telling whether a
subject is in is as hard as telling one draw of N(μ, 1) from one of N(0, 1). The Gaussian mechanism with noise σ times
its sensitivity is exactly μ = 1/σ. μ ≥ 0; ε ≥ 0; δ, rates and areas in [0, 1].
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr, logit
from scipy.stats import norm


def gdp_auc(mu: float) -> float:
    """Largest AUC of an attack on a μ-GDP release: Φ(μ/√2)."""
    return float(norm.cdf(mu / np.sqrt(2)))


def gdp_advantage(mu: float) -> float:
    """Largest TPR − FPR under μ-GDP: 2Φ(μ/2) − 1."""
    return float(2 * norm.cdf(mu / 2) - 1)


def gdp_tpr(mu: float, fpr: float) -> float:
    """Largest TPR at a false-positive rate under μ-GDP: Φ(μ + Φ⁻¹(FPR))."""
    return float(norm.cdf(mu + norm.ppf(fpr)))


def gdp_delta(mu: float, epsilon: float) -> float:
    """The smallest δ at which μ-GDP is (ε, δ)-DP: Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2) (1905.02383, corollary 2.13)."""
    if mu == 0:
        return 0.0
    gain = np.exp(log_ndtr(mu / 2 - epsilon / mu))
    loss = np.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))  # e^ε alone would overflow
    return float(max(0.0, gain - loss))


def gdp_epsilon(mu: float, delta: float) -> float:
    """The smallest ε at which μ-GDP is (ε, δ)-DP; 0 if δ alone suffices, infinite at δ = 0 < μ."""
    _require_delta(delta)
    if gdp_delta(mu, 0.0) <= delta:
        return 0.0
    if delta == 0:
        return float("inf")
    enough = mu**2 / 2 - mu * float(norm.ppf(delta)) + 1  # past the ε at which the first term alone is δ
    return float(brentq(lambda epsilon: gdp_delta(mu, epsilon) - delta, 0.0, enough, xtol=1e-12))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest μ that is (ε, δ)-DP, so the μ of the Gaussian mechanism that spends it whole; δ in (0, 1)."""
    _require_epsilon(epsilon)
    if not 0 < delta < 1:
        raise ValueError(f"Expected 0 < delta={delta} < 1.")
    above = 1.0
    while gdp_delta(above, epsilon) <= delta:
        above *= 2
    return float(brentq(lambda mu: gdp_delta(mu, epsilon) - delta, 0.0, above, xtol=1e-14))


def gaussian_sigma(epsilon: float, delta: float) -> float:
    """Noise of that mechanism in units of its sensitivity: 1/μ (the analytic Gaussian mechanism, 1805.06530)."""
    return 1 / gaussian_mu(epsilon, delta)


def tpr_ceiling(epsilon: float, delta: float, fpr: float) -> float:
    """Largest TPR at a false-positive rate under (ε, δ)-DP: min(e^ε FPR + δ, 1 − (1 − δ − FPR) e^−ε), at most 1.

    Kairouz, Oh, Viswanath (2017, 1311.0776), theorem 2.1.
    """
    _require_epsilon(epsilon)
    _require_delta(delta)
    return float(min(1.0, np.exp(epsilon) * fpr + delta, 1 - (1 - delta - fpr) * np.exp(-epsilon)))


def auc_ceiling(epsilon: float, delta: float) -> float:
    """Largest AUC under (ε, δ)-DP, the area under `tpr_ceiling`: 1 − (1 − δ)²/(1 + e^ε)."""
    _require_epsilon(epsilon)
    _require_delta(delta)
    return float(1 - (1 - delta) ** 2 * expit(-epsilon))


def accuracy_ceiling(epsilon: float, delta: float = 0.0) -> float:
    """Largest accuracy of guessing in or out after a fair coin: (e^ε + δ)/(1 + e^ε)."""
    _require_epsilon(epsilon)
    _require_delta(delta)
    return float(expit(epsilon) + delta * expit(-epsilon))


def posterior(tpr: float, fpr: float, prior: float) -> float:
    """Probability that a subject whom the attack names is a member: odds = TPR/FPR × prior odds.

    Args:
        tpr: share of members the attack names.
        fpr: share of others it names.
        prior: probability before the attack, in [0, 1]; 1/N for one of N equally likely people.
    """
    named = tpr * prior + fpr * (1 - prior)
    if named == 0:
        raise ValueError(f"Expected an attack that names somebody, found tpr={tpr}, fpr={fpr}, prior={prior}.")
    return tpr * prior / named


def posterior_ceiling(epsilon: float, prior: float) -> float:
    """Largest posterior under (ε, 0)-DP: odds ≤ e^ε × prior odds."""
    _require_epsilon(epsilon)
    return float(expit(epsilon + logit(prior)))


def _require_epsilon(epsilon: float) -> None:
    if not epsilon >= 0:
        raise ValueError(f"Expected epsilon={epsilon} >= 0.")


def _require_delta(delta: float) -> None:
    if not 0 <= delta <= 1:
        raise ValueError(f"Expected 0 <= delta={delta} <= 1.")
