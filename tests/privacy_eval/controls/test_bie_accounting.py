"""Control P4: two accountants agree on a published private GAN, and on what two networks on one batch really cost."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
from dp_accounting import DpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent, pld, rdp
from opacus.accountants import PRVAccountant, RDPAccountant

from privacy_eval.statistics.tradeoff import gaussian_sigma, gdp_epsilon

DELTA = 1e-5


def dp_sgd(rate: float, sigma: float, steps: int) -> DpEvent:
    return SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(sigma)), steps)


def opacus_rdp(rate: float, sigma: float, steps: int) -> float:
    accountant = RDPAccountant()
    accountant.history = [(sigma, rate, steps)]
    return accountant.get_epsilon(DELTA)


class Run(NamedTuple):
    """A published run on 60 000 images, and the ε to reproduce."""

    batch: int
    sigma: float
    steps: int
    by_rdp: float
    by_prv: float


PUBLISHED: Final = [Run(128, 1.0, 450_000, 9.97, 9.29), Run(512, 2.0, 174_000, 10.08, 9.40)]
"""Bie, Kamath, Zhang (2302.02936) state ε = 10 for both."""


def accounted(run: Run) -> dict[str, float]:
    """ε of a published run by three accountants."""
    rate = run.batch / 60_000
    event = dp_sgd(rate, run.sigma, run.steps)
    return {"RDP, Opacus": opacus_rdp(rate, run.sigma, run.steps),
            "RDP, dp-accounting": rdp.RdpAccountant().compose(event).get_epsilon(DELTA),
            "PLD, dp-accounting": pld.PLDAccountant().compose(event).get_epsilon(DELTA)}


def measured_rows() -> list[dict[str, str | float]]:
    """The measured table: a row a published run."""
    return [{"batch": run.batch, "sigma": run.sigma, "steps": run.steps, **accounted(run),
             "RDP expected": run.by_rdp, "PLD expected": run.by_prv} for run in PUBLISHED]


@pytest.mark.parametrize("run", PUBLISHED)
def test_bie_kamath_zhang_on_mnist(run: Run) -> None:
    found = accounted(run)
    assert found["RDP, Opacus"] == pytest.approx(run.by_rdp, abs=0.01)
    assert found["RDP, dp-accounting"] == pytest.approx(run.by_rdp, abs=0.01)
    assert found["PLD, dp-accounting"] == pytest.approx(run.by_prv, abs=0.02)


def test_opacus_prv_agrees_with_the_published_figure() -> None:
    accountant = PRVAccountant()
    accountant.history = [(1.0, 128 / 60_000, 450_000)]
    assert accountant.get_epsilon(DELTA) == pytest.approx(9.29, abs=0.01)


@pytest.mark.parametrize(
    ("rate", "sigma", "engine", "joint"), [(0.1, 2, 20.8, 22.7), (0.1, 3, 11.9, 12.4), (0.02, 1, 8.97, 13.87)]
)
def test_two_networks_on_one_batch_are_one_mechanism_of_less_noise(
    rate: float, sigma: float, engine: float, joint: float
) -> None:
    """Counted as two independent steps they look cheaper than they are: the batch is the same, so σ/√2 once."""
    assert opacus_rdp(rate, sigma, 4000) == pytest.approx(engine, abs=0.06)
    assert opacus_rdp(rate, sigma / 2**0.5, 2000) == pytest.approx(joint, abs=0.06)


@pytest.mark.parametrize("steps", [1, 10, 400])
def test_the_closed_form_agrees_with_an_accountant_where_no_batch_is_drawn(steps: int) -> None:
    """T steps on all subjects are one Gaussian mechanism of μ = √T/σ."""
    sigma = gaussian_sigma(2.0, DELTA) * steps**0.5
    exact = pld.PLDAccountant().compose(SelfComposedDpEvent(GaussianDpEvent(sigma), steps)).get_epsilon(DELTA)
    assert gdp_epsilon(steps**0.5 / sigma, DELTA) == pytest.approx(2.0, abs=1e-6)
    assert exact == pytest.approx(2.0, abs=2e-3)
    assert opacus_rdp(1.0, sigma, steps) > 2.0
