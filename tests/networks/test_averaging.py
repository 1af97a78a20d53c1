from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d

from fl_components.networks.averaging import SOFTER, averaged, averaged_often

SIDE = st.integers(1, 12)


def test_averaging_reaches_one_voxel() -> None:
    point = torch.zeros(1, 1, 5, 5, 5)
    point[..., 2, 2, 2] = 1
    found = averaged(point, 0.2)
    assert found.sum().item() == pytest.approx(1)
    assert found[..., 0, :, :].abs().max() == 0
    assert found[..., 2, 2, 2].item() == pytest.approx(0.6**3)


def test_averaging_is_a_correlation_along_each_axis_and_leaves_what_it_is_given() -> None:
    volume = torch.randn(1, 2, 7, 6, 5, dtype=torch.double)
    given, expected = volume.clone(), volume.numpy()
    for axis in (2, 3, 4):
        expected = correlate1d(expected, [0.2, 0.6, 0.2], axis=axis, mode="constant")
    np.testing.assert_allclose(averaged(volume, 0.2).numpy(), expected, rtol=1e-12, atol=1e-15)
    assert torch.equal(volume, given)


@settings(max_examples=30)
@given(st.tuples(SIDE, SIDE, SIDE), st.integers(0, 9), st.floats(0.01, 0.3))
def test_often_is_once_again_and_again(shape: tuple[int, int, int], times: int, beside: float) -> None:
    volume = torch.randn(2, 3, *shape, dtype=torch.double)
    expected = volume
    for _ in range(times):
        expected = averaged(expected, beside)
    torch.testing.assert_close(averaged_often(volume, beside, times), expected)
    part = slice(shape[0] // 3, shape[0] // 2 + 1)
    torch.testing.assert_close(averaged_often(volume, beside, times, part), expected[:, :, part])


def test_autocast_does_not_round_it() -> None:
    volume = torch.randn(1, 1, 6, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = averaged_often(volume, SOFTER, 3)
    assert torch.equal(found, averaged_often(volume, SOFTER, 3))
