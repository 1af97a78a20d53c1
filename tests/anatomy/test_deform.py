from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.anatomy.deform import affine_matrix, compose, exponentiate, jacobian, random_velocity, upsample, warp

SHAPE = (20, 24, 18)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), amplitude=st.floats(0.5, 5.0))
def test_exponentials_are_invertible(seed: int, amplitude: float) -> None:
    velocity = random_velocity(np.random.default_rng(seed), SHAPE, 8.0, amplitude, 22.0)
    assert jacobian(exponentiate(velocity, 8.0), 8.0).min() > 0


def test_negative_velocity_is_the_inverse() -> None:
    velocity = random_velocity(np.random.default_rng(3), SHAPE, 4.0, 3.0, 20.0)
    there, back = exponentiate(velocity, 4.0), exponentiate(-velocity, 4.0)
    inner = (slice(None), slice(4, -4), slice(4, -4), slice(4, -4))
    assert np.abs(compose(there, back, 4.0)[inner]).max() < 0.25
    assert np.abs(there[inner]).max() > 2


def test_uniform_velocity_is_a_translation() -> None:
    velocity = np.ones((3, *SHAPE), np.float32) * np.array([3.0, 0.0, -1.5]).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(exponentiate(velocity, 2.0), velocity, rtol=1e-5)


def test_warp_by_whole_voxels_is_a_shift() -> None:
    volume = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    displacement = np.zeros((3, *SHAPE), np.float32)
    displacement[1] = 6.0
    np.testing.assert_allclose(warp(volume, displacement, 3.0)[:, :, :-2], volume[:, :, 2:], atol=1e-5)


def test_warp_leaves_its_input_alone() -> None:
    volume = np.ones((1, *SHAPE), np.float32)
    volume[0, 5] = 0
    warp(volume, np.full((3, *SHAPE), 2.0, np.float32), 2.0)
    assert volume[0, 5].max() == 0


def test_upsampling_reads_linearly() -> None:
    x, y, z = np.indices((6, 7, 5), dtype=np.float32)
    fine = upsample((2 * x - y + 0.5 * z)[None], (11, 13, 9), 2)[0]
    fx, fy, fz = np.indices((11, 13, 9)) / 2
    np.testing.assert_allclose(fine, 2 * fx - fy + 0.5 * fz, atol=1e-5)


def test_affine_matrix_rotates_and_scales() -> None:
    matrix = affine_matrix(np.array([10.0, -5.0, 20.0]), np.array([0.9, 1.1, 1.0]))
    assert np.linalg.det(matrix) == pytest.approx(0.99)
    np.testing.assert_allclose(matrix.T @ matrix, np.diag([0.81, 1.21, 1.0]), atol=1e-12)


def test_jacobian_of_a_scaling() -> None:
    x = np.indices(SHAPE) * 2.0
    np.testing.assert_allclose(jacobian(0.1 * x, 2.0), 1.1**3, rtol=1e-6)
