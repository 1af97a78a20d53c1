from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_components.cohort.simulate.signal import Flair, Mprage, SpinEcho, Tissue

MPRAGE = Mprage(repetition=2300, inversion=900, spacing=7.0, flip_degrees=9, readouts=176, echo=2.9)


def tissue(t1: float, t2: float = 80, t2_star: float = 50, density: float = 0.8) -> Tissue:
    return Tissue(*(np.array([value]) for value in (t1, t2, t2_star, density)))


def simulated_mprage(pulse: Mprage, t1: float, cycles: int = 30) -> float:
    """Longitudinal magnetisation pulse by pulse until it repeats; what the middle pulse of the train finds."""
    longitudinal, found = 1.0, 0.0

    def relax(value: float, time: float) -> float:
        return 1 - (1 - value) * np.exp(-time / t1)

    half = pulse.readouts // 2
    for _ in range(cycles):
        longitudinal = relax(-longitudinal, pulse.inversion - half * pulse.spacing)
        for readout in range(pulse.readouts):
            if readout == half:
                found = longitudinal
            longitudinal = relax(longitudinal * np.cos(np.deg2rad(pulse.flip_degrees)), pulse.spacing)
        longitudinal = relax(longitudinal, pulse.repetition - pulse.inversion - (pulse.readouts - half) * pulse.spacing)
    return found


@pytest.mark.parametrize("t1", [260.0, 810.0, 1430.0, 4300.0])
def test_mprage_is_the_steady_state_of_its_pulses(t1: float) -> None:
    expected = 0.8 * abs(simulated_mprage(MPRAGE, t1)) * np.sin(np.deg2rad(9)) * np.exp(-2.9 / 50)
    assert MPRAGE.signal(tissue(t1))[0] == pytest.approx(expected, rel=1e-6)


def test_spin_echo_limits() -> None:
    assert SpinEcho(1e6, 0).signal(tissue(800))[0] == pytest.approx(0.8)
    assert SpinEcho(800 * np.log(2), 80 * np.log(2)).signal(tissue(800))[0] == pytest.approx(0.8 / 4)


@given(repetition=st.floats(5000, 12000), t1=st.floats(3500, 4500))
def test_flair_nulls_fluid_at_its_null(repetition: float, t1: float) -> None:
    inversion = Flair.null(repetition, t1)
    assert Flair(repetition, 100, inversion).signal(tissue(t1))[0] == pytest.approx(0, abs=1e-9)


def test_flair_null_of_endless_repetition_is_t1_ln_2() -> None:
    assert Flair.null(1e9, 4300) == pytest.approx(4300 * np.log(2))


@given(millimolar=st.floats(0.01, 5))
def test_gadolinium_shortens_and_brightens(millimolar: float) -> None:
    plain = tissue(1500, 120)
    enhanced = plain.with_gadolinium(np.array([millimolar]))
    assert 1 / enhanced.t1[0] == pytest.approx(1 / 1500 + 0.0045 * millimolar)
    assert enhanced.t2[0] < plain.t2[0]
    if millimolar < 1:
        assert SpinEcho(500, 10).signal(enhanced)[0] > SpinEcho(500, 10).signal(plain)[0]
