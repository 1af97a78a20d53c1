"""Trade-offs against the published table, numerical integration, the likelihood-ratio test and dp-accounting."""

from __future__ import annotations

import numpy as np
import pytest
from dp_accounting import get_epsilon_gaussian, get_sigma_gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from privacy_eval.statistics.tradeoff import (
    accuracy_ceiling,
    auc_ceiling,
    gaussian_mu,
    gaussian_sigma,
    gdp_advantage,
    gdp_auc,
    gdp_delta,
    gdp_epsilon,
    gdp_tpr,
    posterior,
    posterior_ceiling,
    tpr_ceiling,
)

MU = st.floats(0.05, 6)
EPSILON = st.floats(0.01, 12)
DELTA = st.floats(1e-9, 0.05)
RATE = st.floats(0, 1)


@pytest.mark.parametrize(
    ("mu", "auc", "advantage", "tpr_10", "tpr_1", "tpr_01", "epsilon_5", "epsilon_3"),
    [
        (0.25, 0.5702, 0.0995, 0.1511, 0.0189, 0.0023, 0.926, 0.592),
        (0.5, 0.6382, 0.1974, 0.2172, 0.0339, 0.0048, 1.993, 1.352),
        (1, 0.7602, 0.3829, 0.3891, 0.0924, 0.0183, 4.377, 3.139),
        (1.5, 0.8556, 0.5467, 0.5865, 0.2043, 0.0559, 7.051, 5.223),
        (2, 0.9214, 0.6827, 0.7638, 0.3721, 0.1378, 9.997, 7.581),
        (3, 0.9831, 0.8664, 0.9571, 0.7497, 0.4641, 16.68, 13.09),
        (4, 0.9977, 0.9545, 0.9967, 0.9529, 0.8185, 24.38, 19.62),
    ],
)
def test_table_of_gdp(
    mu: float, auc: float, advantage: float, tpr_10: float, tpr_1: float, tpr_01: float, epsilon_5: float,
    epsilon_3: float,
) -> None:  # fmt: skip
    assert gdp_auc(mu) == pytest.approx(auc, abs=5.1e-5)
    assert gdp_advantage(mu) == pytest.approx(advantage, abs=5.1e-5)
    assert [gdp_tpr(mu, fpr) for fpr in (0.1, 0.01, 0.001)] == pytest.approx([tpr_10, tpr_1, tpr_01], abs=5.1e-5)
    assert gdp_epsilon(mu, 1e-5) == pytest.approx(epsilon_5, abs=5.1e-3)
    assert gdp_epsilon(mu, 1e-3) == pytest.approx(epsilon_3, abs=5.1e-3)


@pytest.mark.parametrize(
    ("epsilon", "auc", "tpr_1"),
    [
        (0.1, 0.525, 0.011), (0.5, 0.622, 0.017), (1, 0.731, 0.027), (2, 0.881, 0.074), (3, 0.953, 0.201),
        (4, 0.982, 0.546), (5, 0.993, 0.993), (8, 0.9997, 0.9997), (10, 1.0, 1.0),
    ],
)  # fmt: skip
def test_table_of_ceilings(epsilon: float, auc: float, tpr_1: float) -> None:
    assert auc_ceiling(epsilon, 1e-5) == pytest.approx(auc, abs=6e-4)
    assert tpr_ceiling(epsilon, 1e-5, 0.01) == pytest.approx(tpr_1, abs=6e-4)


@pytest.mark.parametrize(("epsilon", "sigma"), [(1, 3.731), (2, 1.994), (4, 1.081), (8, 0.600)])
def test_sigma_of_published_claims(epsilon: float, sigma: float) -> None:
    assert gaussian_sigma(epsilon, 1e-5) == pytest.approx(sigma, abs=5.1e-4)


@settings(max_examples=40)
@given(EPSILON, DELTA)
def test_gaussian_mechanism_agrees_with_dp_accounting(epsilon: float, delta: float) -> None:
    sigma = gaussian_sigma(epsilon, delta)
    assert sigma == pytest.approx(get_sigma_gaussian(epsilon, delta), rel=1e-5)
    assert gdp_epsilon(1 / sigma, delta) == pytest.approx(get_epsilon_gaussian(sigma, delta), rel=1e-5, abs=1e-6)


@given(MU, DELTA)
def test_epsilon_and_mu_are_inverse(mu: float, delta: float) -> None:
    epsilon = gdp_epsilon(mu, delta)
    if epsilon > 0:
        assert gaussian_mu(epsilon, delta) == pytest.approx(mu, rel=1e-6)
        assert gdp_delta(mu, epsilon) == pytest.approx(delta, rel=1e-6)
    else:
        assert gdp_advantage(mu) <= delta


@given(MU, EPSILON)
def test_delta_is_what_the_best_threshold_gains(mu: float, epsilon: float) -> None:
    thresholds = np.linspace(-8, 8 + mu, 20001)
    gains = norm.sf(thresholds - mu) - np.exp(epsilon) * norm.sf(thresholds)
    assert gdp_delta(mu, epsilon) == pytest.approx(max(0.0, gains.max()), abs=1e-5)


def test_a_huge_mu_does_not_overflow() -> None:
    epsilon = gdp_epsilon(50.0, 1e-5)
    assert 1250 < epsilon < 1500
    assert gdp_delta(50.0, epsilon) == pytest.approx(1e-5, rel=1e-6)


def test_no_signal_needs_no_epsilon() -> None:
    assert gdp_epsilon(0.0, 1e-5) == 0
    assert gdp_epsilon(0.0, 0.0) == 0
    assert gdp_delta(0.0, 0.0) == 0
    assert gdp_epsilon(1.0, 0.0) == float("inf")
    assert gdp_epsilon(1.0, 0.9) == 0


@settings(max_examples=20)
@given(MU)
def test_gdp_auc_is_the_area_under_its_tpr(mu: float) -> None:
    area, _ = quad(lambda fpr: gdp_tpr(mu, fpr), 0, 1, limit=200)
    assert gdp_auc(mu) == pytest.approx(area, abs=1e-5)


@given(EPSILON, DELTA)
def test_auc_ceiling_is_the_area_under_the_tpr_ceiling(epsilon: float, delta: float) -> None:
    corner = (1 - delta) / (1 + np.exp(epsilon))  # where the two lines meet; the other kink is at 1 − δ
    area, _ = quad(lambda fpr: tpr_ceiling(epsilon, delta, fpr), 0, 1, points=[corner, 1 - delta])
    assert auc_ceiling(epsilon, delta) == pytest.approx(area, abs=1e-9)


@given(EPSILON, DELTA)
def test_accuracy_ceiling_is_the_best_mean_of_both_rates(epsilon: float, delta: float) -> None:
    rates = np.append(np.linspace(0, 1, 501), (1 - delta) / (1 + np.exp(epsilon)))
    best = max((tpr_ceiling(epsilon, delta, rate) + 1 - rate) / 2 for rate in rates)
    assert accuracy_ceiling(epsilon, delta) == pytest.approx(best, abs=1e-9)


@given(MU, DELTA, RATE)
def test_a_gaussian_mechanism_stays_below_the_ceiling_of_its_claim(mu: float, delta: float, fpr: float) -> None:
    epsilon = gdp_epsilon(mu, delta)
    assert gdp_tpr(mu, fpr) <= tpr_ceiling(epsilon, delta, fpr) + 1e-9
    assert gdp_auc(mu) <= auc_ceiling(epsilon, delta) + 1e-9


def test_posterior_counts_people() -> None:
    # of 1100 people 100 are members; the attack names 60 of them and 30 of the others
    assert posterior(0.6, 0.03, 100 / 1100) == pytest.approx(60 / 90)
    assert posterior(0.3, 0.3, 0.2) == pytest.approx(0.2)
    assert posterior(0.1, 0.0, 1e-6) == 1


@given(st.floats(0, 8), st.floats(1e-6, 1 - 1e-6), st.floats(1e-6, 1))
def test_no_attack_exceeds_the_posterior_ceiling(epsilon: float, prior: float, fpr: float) -> None:
    ceiling = posterior_ceiling(epsilon, prior)
    assert posterior(tpr_ceiling(epsilon, 0.0, fpr), fpr, prior) <= ceiling + 1e-12
    assert ceiling / (1 - ceiling) == pytest.approx(np.exp(epsilon) * prior / (1 - prior), rel=1e-6)


def test_values_outside_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"delta=1\.5"):
        gdp_epsilon(1.0, 1.5)
    with pytest.raises(ValueError, match="delta=0"):
        gaussian_mu(1.0, 0.0)
    with pytest.raises(ValueError, match="epsilon=-1"):
        tpr_ceiling(-1.0, 0.0, 0.1)
    with pytest.raises(ValueError, match="names somebody"):
        posterior(0.0, 0.0, 0.5)
