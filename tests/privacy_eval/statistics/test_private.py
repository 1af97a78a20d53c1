"""The noised AUC: exact distribution, sensitivity by trying every replacement, its variance, and what it costs."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, dlaplace

from privacy_eval.errors import InputError
from privacy_eval.statistics.private import (
    NoisedAuc,
    auc_noise_variance,
    discrete_laplace,
    noised_auc,
    total_epsilon,
)
from privacy_eval.statistics.ranks import UStatistic, mann_whitney_u, null_standard_error

SCORES = st.lists(st.integers(-2, 2), min_size=1, max_size=6)


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not fail by chance: the source of randomness is replaced, the code under test has no seed."""
    rng = np.random.default_rng(11)
    monkeypatch.setattr(secrets, "randbelow", lambda bound: int(rng.integers(bound)))
    monkeypatch.setattr(secrets, "randbits", lambda bits: int(rng.integers(2**bits)))


@given(SCORES, SCORES, st.data())
def test_replacing_one_subject_moves_the_doubled_u_by_at_most_the_sensitivity(
    members: list[int], holdout: list[int], data: st.DataObject
) -> None:
    before = mann_whitney_u(np.array(members), np.array(holdout))
    other = list(members + holdout)
    other[data.draw(st.integers(0, len(other) - 1))] = data.draw(st.integers(-5, 5))
    after = mann_whitney_u(np.array(other[: len(members)]), np.array(other[len(members) :]))
    assert abs(2 * after - 2 * before) <= 2 * max(len(members), len(holdout))


@pytest.mark.parametrize(("n_members", "n_holdout"), [(4, 7), (7, 4), (5, 5)])
def test_the_sensitivity_is_reached(n_members: int, n_holdout: int) -> None:
    """Moving the one subject of the smaller group from below all others to above them."""
    small, large = sorted([n_members, n_holdout])
    rest, others = np.full(small - 1, -1), np.zeros(large)
    shift = mann_whitney_u(np.r_[rest, 1], others) - mann_whitney_u(np.r_[rest, -1], others)
    assert 2 * shift == 2 * max(n_members, n_holdout)


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(1), Fraction(5, 2), Fraction(2 / 0.7)])
def test_noise_has_the_discrete_laplace_distribution(scale: Fraction) -> None:
    """Against scipy's, whose mass is tanh(a/2) exp(−a |k|)."""
    draws = [discrete_laplace(scale) for _ in range(20000)]
    law = dlaplace(float(1 / scale))
    reach = max(1, round(3 * float(scale)))
    counts = Counter(int(np.clip(draw, -reach, reach)) for draw in draws)
    support = np.arange(-reach, reach + 1)
    expected = law.pmf(support)
    expected[0] = expected[-1] = law.sf(reach - 1)
    assert chisquare([counts[k] for k in support], expected * len(draws)).pvalue > 0.001


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(("n", "published"), [(25, 0.057), (50, 0.028), (100, 0.014), (250, 0.006)])
def test_noise_at_epsilon_one_is_as_published(n: int, published: float) -> None:
    deviation = math.sqrt(auc_noise_variance(n, n, 1.0))
    assert deviation == pytest.approx(published, abs=6e-4)
    drawn = [noised_auc(UStatistic(n * n * 0.6, n, n), 1.0).auc for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.6, abs=4 * deviation / math.sqrt(4000))
    assert np.std(drawn) == pytest.approx(deviation, rel=0.08)
    assert null_standard_error(n, n) > deviation


@given(st.integers(2, 200), st.integers(2, 200), st.floats(0.05, 20))
def test_noise_variance_is_that_of_scipys_discrete_laplace(n_members: int, n_holdout: int, epsilon: float) -> None:
    """Its 2/(cosh a − 1)/2, and close to the continuous 2/(ε min n)² at every epsilon in use."""
    rate = epsilon / (2 * max(n_members, n_holdout))
    found = auc_noise_variance(n_members, n_holdout, epsilon)
    assert found * (2 * n_members * n_holdout) ** 2 == pytest.approx(1 / (math.cosh(rate) - 1), rel=1e-6)
    assert found <= 2 / (epsilon * min(n_members, n_holdout)) ** 2 * (1 + 1e-9)
    assert NoisedAuc(0, n_members, n_holdout, epsilon).noise_variance == found


def test_probabilities_of_neighbours_differ_by_at_most_e_to_the_epsilon() -> None:
    """The mechanism's law, from the noise's exact law, at the two ends of the largest possible change."""
    n_members, n_holdout, epsilon = 6, 9, 0.8
    sensitivity = 2 * max(n_members, n_holdout)
    answers = np.arange(-200, 300)
    law = dlaplace(epsilon / sensitivity)
    ratio = law.logpmf(answers) - law.logpmf(answers - sensitivity)
    assert np.abs(ratio).max() == pytest.approx(epsilon)


def test_the_answer_is_an_integer_around_the_doubled_u_and_no_two_runs_agree() -> None:
    statistic = UStatistic(1250.5, 50, 50)
    answers = [noised_auc(statistic, 1.0).doubled_u for _ in range(30)]
    assert all(isinstance(answer, int) for answer in answers)
    assert len(set(answers)) > 1
    assert noised_auc(statistic, 1e6).doubled_u == 2501  # so little noise that it is 0


def test_auc_is_not_clipped() -> None:
    assert NoisedAuc(-8, 2, 2, 1.0).auc == -1
    assert NoisedAuc(4, 2, 2, 1.0).auc == 0.5


def test_a_subject_pays_the_sum() -> None:
    assert total_epsilon({"T1": 0.1, "T2": 0.2, "T4": 0.7}) == pytest.approx(1.0)
    assert total_epsilon({}) == 0


def test_a_fourth_statistic_is_refused() -> None:
    with pytest.raises(InputError, match=r"found 4 \(T1, T2, T3, T4\), expected at most 3"):
        total_epsilon({"T1": 0.1, "T2": 0.1, "T3": 0.1, "T4": 0.1})


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_an_epsilon_that_is_no_positive_number_is_refused(epsilon: float) -> None:
    with pytest.raises(InputError, match="expected a number above 0"):
        noised_auc(UStatistic(2, 2, 2), epsilon)
    with pytest.raises(InputError, match="expected a number above 0"):
        total_epsilon({"T1": epsilon})


def test_u_that_is_no_multiple_of_one_half_is_refused() -> None:
    with pytest.raises(ValueError, match=r"u=1\.3"):
        noised_auc(UStatistic(1.3, 2, 2), 1.0)
