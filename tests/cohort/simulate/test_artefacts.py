from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_components.cohort.simulate.artefacts import (
    acquire,
    apply_along,
    head_shell,
    receive_pattern,
    slice_matrix,
    stripping_mask,
    transmit_bias,
)
from fl_components.cohort.simulate.scanner import NAMED, Acquisition
from fl_components.cohort.simulate.signal import SpinEcho

SHAPE = (40, 44, 36)
STILL = replace(NAMED[0], motion=0.0, misregistration_mm=0.0, spacing_mm=3.0)
PERFECT = Acquisition(SpinEcho(500, 10), slice_mm=3.0, gap_mm=0.0, slice_axis=2, kept=2.0, noise=0.0)


def ball(radius: float = 13.0) -> np.ndarray:
    centre = (np.array(SHAPE).reshape(3, 1, 1, 1) - 1) / 2
    return (np.sqrt(((np.indices(SHAPE) - centre) ** 2).sum(axis=0)) < radius).astype(np.float32)


@given(length=st.integers(8, 80), slice_mm=st.floats(1, 8), gap_mm=st.floats(0, 3))
def test_slices_keep_what_is_uniform(length: int, slice_mm: float, gap_mm: float) -> None:
    matrix = slice_matrix(length, 3.0, slice_mm, gap_mm)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    assert matrix.min() >= 0


def test_slices_as_thick_as_the_voxels_change_nothing() -> None:
    np.testing.assert_allclose(slice_matrix(21, 3.0, 3.0, 0.0), np.eye(21), atol=1e-6)  # odd: centres coincide


def test_thick_slices_blur_their_axis_only() -> None:
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    blurred = apply_along(slice_matrix(SHAPE[2], 3.0, 6.0, 1.0), volume, 2)
    assert blurred.shape == SHAPE
    assert np.diff(blurred, axis=2).std() < 0.5 * np.diff(volume, axis=2).std()
    uniform = np.broadcast_to(volume[:, :, :1], SHAPE)
    np.testing.assert_allclose(apply_along(slice_matrix(SHAPE[2], 3.0, 6.0, 1.0), uniform, 2), uniform, atol=1e-5)


def test_a_perfect_machine_returns_the_signal() -> None:
    perfect = replace(PERFECT, slice_axis=2)
    volume = np.repeat(ball()[:, :, 18:19], SHAPE[2], axis=2)
    image = acquire(np.random.default_rng(0), volume, perfect, STILL, 0.0)
    np.testing.assert_allclose(image, volume, atol=1e-4)


def test_truncated_k_space_rings() -> None:
    image = acquire(np.random.default_rng(0), ball(), replace(PERFECT, kept=0.6), STILL, 0.0)
    assert 0.04 < image.max() - 1 < 0.25  # Gibbs overshoot, 9 % for an ideal edge in one dimension


def test_background_noise_is_rayleigh_and_signal_noise_gaussian() -> None:
    sigma = 0.05
    image = acquire(np.random.default_rng(1), ball(), replace(PERFECT, kept=2.0), STILL, sigma)
    corner = image[:8, :8]
    assert corner.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)
    assert corner.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.05)
    inner = image[18:22, 20:24, 16:20]
    assert inner.mean() == pytest.approx(1, abs=0.03)


def test_noise_of_a_truncated_acquisition_is_spatially_correlated() -> None:
    nothing = np.zeros(SHAPE, np.float32)
    correlation = []
    for kept in (2.0, 0.5):
        image = acquire(np.random.default_rng(2), nothing, replace(PERFECT, kept=kept), STILL, 1.0)
        correlation.append(np.corrcoef(image[:-1].ravel(), image[1:].ravel())[0, 1])
    assert abs(correlation[0]) < 0.03
    assert correlation[1] > 0.2


def test_motion_makes_ghosts_beside_the_head() -> None:
    restless = replace(STILL, motion=1.0, ghost_mm=2.0)
    still, moved = (acquire(np.random.default_rng(3), ball(), PERFECT, scanner, 0.0) for scanner in (STILL, restless))
    outside = ball(15.0) == 0
    assert moved[outside].max() > 5 * still[outside].max() + 0.02


def test_coils_are_bright_at_the_edge_and_positive() -> None:
    pattern = receive_pattern(np.random.default_rng(0), SHAPE, NAMED[0])
    assert pattern.min() > 0
    assert pattern[0, 22, 18] > pattern[20, 22, 18]
    assert transmit_bias(np.random.default_rng(0), SHAPE, NAMED[0]).min() > 0.5


def test_head_lies_around_the_brain() -> None:
    fat, bone = head_shell(np.random.default_rng(0), ball(), 3.0)
    assert (fat + bone)[ball() == 1].max() == 0
    assert fat.min() >= 0
    assert (fat + bone).max() <= 1.001
    assert fat.sum() > bone.max()


def test_stripping_keeps_one_piece_near_the_brain() -> None:
    for seed in range(5):
        kept = stripping_mask(np.random.default_rng(seed), ball(), NAMED[3])
        overlap = (kept & (ball() == 1)).sum()
        assert 2 * overlap / (kept.sum() + ball().sum()) > 0.85
