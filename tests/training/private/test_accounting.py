"""ε of composed mechanisms against published figures, dp-accounting's PLD and a direct integral."""

from __future__ import annotations

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import PLDAccountant
from scipy.special import logsumexp

from fl_components.training.private.accounting import (
    ORDERS,
    PureAnswer,
    SampledGaussian,
    delta_spent,
    epsilon_spent,
    event_of,
    joint,
    noise_for,
    prv_epsilon,
    replacement_epsilon,
)
from privacy_eval.errors import InputError
from privacy_eval.statistics.tradeoff import gdp_epsilon

DELTA = 1e-5
STUDY = SampledGaussian(2.97, 0.1, 2000)


@pytest.mark.parametrize(("steps", "epsilon", "published"), [
    (500, 1, 9.22), (500, 3, 3.49), (500, 8, 1.64), (2000, 3, 6.76), (2000, 8, 2.97), (10_000, 8, 6.43)])
def test_the_noise_for_an_epsilon_is_the_published_one(steps: int, epsilon: float, published: float) -> None:
    assert noise_for(epsilon, DELTA, 0.1, steps) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("event", "rdp", "prv"), [
    (SampledGaussian(1, 128 / 60_000, 450_000), 9.97, 9.29), (SampledGaussian(2, 512 / 60_000, 174_000), 10.08, 9.40)])
def test_the_accounting_of_bie_kamath_and_zhang(event: SampledGaussian, rdp: float, prv: float) -> None:
    assert epsilon_spent([event], DELTA) == pytest.approx(rdp, abs=0.03)
    assert prv < rdp


@pytest.mark.full
@pytest.mark.parametrize(("event", "prv"), [
    (SampledGaussian(1, 128 / 60_000, 450_000), 9.29), (SampledGaussian(2, 512 / 60_000, 174_000), 9.40)])
def test_the_same_by_prv(event: SampledGaussian, prv: float) -> None:
    assert prv_epsilon([event], DELTA) == pytest.approx(prv, abs=0.02)


@pytest.mark.parametrize("event", [STUDY, SampledGaussian(1.5, 0.05, 500), SampledGaussian(9, 0.1, 500)])
def test_no_epsilon_is_below_that_of_the_exact_distribution_of_losses(event: SampledGaussian) -> None:
    exact = PLDAccountant(dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
    sampled = dp_accounting.PoissonSampledDpEvent(event.rate, dp_accounting.GaussianDpEvent(event.noise))
    found = exact.compose(sampled, event.steps).get_epsilon(DELTA)
    assert found - 0.01 <= prv_epsilon([event], DELTA) <= found + 0.05
    assert found <= epsilon_spent([event], DELTA) <= 1.12 * found


def test_a_mixture_of_a_summary_training_and_an_audit_stays_above_its_exact_epsilon() -> None:
    events = [SampledGaussian(4, 1, 1), STUDY, PureAnswer(0.5)]
    exact = PLDAccountant(dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
    exact.compose(dp_accounting.GaussianDpEvent(4))
    exact.compose(dp_accounting.PoissonSampledDpEvent(0.1, dp_accounting.GaussianDpEvent(2.97)), 2000)
    exact.compose(dp_accounting.LaplaceDpEvent(1 / 0.5))
    found = exact.get_epsilon(DELTA)
    assert found <= epsilon_spent(events, DELTA) <= 1.15 * found
    assert found <= prv_epsilon(events, DELTA) + 0.01


def test_one_gaussian_costs_about_its_exact_epsilon() -> None:
    found = epsilon_spent([SampledGaussian(2, 1, 1)], DELTA)
    assert gdp_epsilon(0.5, DELTA) <= found <= 1.1 * gdp_epsilon(0.5, DELTA)


def test_replacing_costs_about_twice_and_never_less_than_the_pair_it_is_about() -> None:
    stated = epsilon_spent([STUDY], DELTA)
    replacing = replacement_epsilon([STUDY], DELTA)
    halved = epsilon_spent([SampledGaussian(STUDY.noise / 2, 0.1, 2000)], DELTA)
    assert stated == pytest.approx(7.98, abs=0.01)
    assert halved == pytest.approx(21.0, abs=0.1)  # a sum moved by 2C: the simpler bound
    assert _epsilon_of_opposite_patients(STUDY) <= replacing <= halved
    assert replacing == pytest.approx(18.9, abs=0.1)


def _epsilon_of_opposite_patients(event: SampledGaussian) -> float:
    """RDP by integration of one patient at +C replaced by one at −C: the worst pair known."""
    x = np.linspace(-1 - 30 * event.noise, 1 + 30 * event.noise, 100_001)

    def log_density(at: float) -> np.ndarray:
        normal = [-((x - m) ** 2) / (2 * event.noise**2) for m in (0.0, at)]
        return np.logaddexp(np.log1p(-event.rate) + normal[0], np.log(event.rate) + normal[1])

    one, other = log_density(1.0), log_density(-1.0)
    log_step = np.log(x[1] - x[0]) - np.log(event.noise * np.sqrt(2 * np.pi))
    orders = np.array(ORDERS)
    rdp = event.steps * np.array([(logsumexp(a * one + (1 - a) * other) + log_step) / (a - 1) for a in orders])
    return float(np.min(rdp + np.log1p(-1 / orders) - (np.log(DELTA) + np.log(orders)) / (orders - 1)))


@pytest.mark.parametrize(("noise", "rate", "counted", "true"), [
    (2, 0.1, 20.8, 22.7), (3, 0.1, 11.9, 12.4), (1, 0.02, 8.97, 13.87)])
def test_two_networks_on_one_batch_cost_more_than_twice_the_steps(noise: float, rate: float, counted: float,
                                                                  true: float) -> None:
    once = SampledGaussian(noise, rate, 2000)
    assert epsilon_spent([SampledGaussian(noise, rate, 4000)], DELTA) == pytest.approx(counted, rel=0.02)
    assert epsilon_spent([joint(once, 2)], DELTA) == pytest.approx(true, rel=0.02)


def test_delta_is_the_inverse_of_epsilon_and_events_survive_their_record() -> None:
    events = [STUDY, PureAnswer(0.5)]
    assert delta_spent(events, epsilon_spent(events, DELTA)) == pytest.approx(DELTA, rel=1e-6)
    assert [event_of(event.to_record()) for event in events] == events
    assert epsilon_spent([], DELTA) == replacement_epsilon([], DELTA) == prv_epsilon([], DELTA) == 0
    assert replacement_epsilon([PureAnswer(0.5)], DELTA) == 0.5


@pytest.mark.parametrize("record", [{"mechanism": "shuffled batches"}, {"mechanism": "pure"}, {},
                                    {"mechanism": "sampled gaussian", "noise": "much", "rate": 0.1, "steps": 3}])
def test_what_cannot_be_accounted_for_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no event that can be accounted for"):
        event_of(record)


@pytest.mark.parametrize(("noise", "rate"), [(0, 0.1), (float("nan"), 0.1), (1, 0), (1, 1.5)])
def test_no_noise_is_no_epsilon(noise: float, rate: float) -> None:
    with pytest.raises(InputError, match="without noise there is no ε"):
        SampledGaussian(noise, rate, 1)


def test_a_budget_that_audits_eat_up_is_refused() -> None:
    with pytest.raises(InputError, match="leaves nothing for training"):
        noise_for(1.0, DELTA, 0.1, 100, [PureAnswer(1.0)] * 20)
