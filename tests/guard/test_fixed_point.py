"""Sums of rounded parts are as near to the real sum as the class says, and never wrap round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fl_components.guard.fixed_point import COARSEST_BITS, FixedPoint
from privacy_eval.errors import InputError

BOUNDS = st.floats(1e-3, 2000)


def summed(point: FixedPoint, values: list[np.ndarray], shares: list[float]) -> np.ndarray:
    total = np.zeros(values[0].shape, np.uint32)
    for value, share in zip(values, shares, strict=True):
        total = total + point.encode(value, share)
    return point.decode(total)


@settings(max_examples=200)
@given(st.data(), BOUNDS, st.integers(1, 12))
def test_a_sum_is_off_by_no_more_than_stated(data: st.DataObject, bound: float, parts: int) -> None:
    point = FixedPoint(bound, parts)
    values = data.draw(st.lists(arrays(np.float64, 5, elements=st.floats(-bound, bound)),
                                min_size=parts, max_size=parts))
    weights = data.draw(st.lists(st.floats(1e-3, 1), min_size=parts, max_size=parts))
    shares = [weight / sum(weights) for weight in weights]
    exact = sum(share * value for share, value in zip(shares, values, strict=True))
    assert np.abs(summed(point, values, shares) - exact).max() <= point.largest_error


@settings(max_examples=100)
@given(BOUNDS, st.integers(1, 100), st.sampled_from([-1.0, 1.0]))
def test_the_largest_sum_does_not_wrap_round(bound: float, parts: int, sign: float) -> None:
    point = FixedPoint(bound, parts)
    found = summed(point, [np.array([sign * bound])] * parts, [1 / parts] * parts)
    assert abs(found[0] - sign * bound) <= point.largest_error


def test_as_fine_as_32_bits_allow() -> None:
    point = FixedPoint(100.0, 4)
    assert point.bits == 24
    assert point.largest_error == pytest.approx(4 * 2**-25, rel=1e-5)
    assert 100 * 2.0 ** (point.bits + 1) > 2**31


def test_each_unit_counts() -> None:
    point = FixedPoint(1.0, 3)
    steps = np.arange(-3, 4) * 2.0**-point.bits
    np.testing.assert_array_equal(point.decode(point.encode(steps, 1.0)), steps)
    assert len(set(point.encode(steps, 1.0).tolist())) == len(steps)


@pytest.mark.parametrize("value", [1.01, -1.01, np.nan, np.inf])
def test_what_could_come_out_as_another_number_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="masked sum"):
        FixedPoint(1.0, 3).encode(np.array([0.0, value]), 0.5)


def test_a_bound_too_wide_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(InputError, match="lower it to 2047"):
        FixedPoint(5000.0, 3)
    assert FixedPoint(2047 - 1, 3).bits == COARSEST_BITS
