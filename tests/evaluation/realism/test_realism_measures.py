"""Single measures against closed forms, other implementations and planted differences."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from monai.metrics.regression import MultiScaleSSIMMetric
from scipy.ndimage import gaussian_filter

from fl_components.evaluation.realism.distribution import (
    frechet_by_chance,
    frechet_distance,
    kernel_distance,
    whitened,
)
from fl_components.evaluation.realism.diversity import RADIUS, SIGMA, WEIGHTS, ms_ssim
from fl_components.evaluation.realism.histogram import histogram_distance, tissue_histograms
from fl_components.evaluation.realism.profile import boundary_profile, distances_mm, profile_difference, signed_distance
from fl_components.evaluation.realism.resampling import detector_auc, jackknife
from fl_components.evaluation.realism.rim import paired_by_volume, rim_points
from fl_components.evaluation.realism.spectrum import SHELLS, fine_log_ratio, radial_spectrum
from fl_components.vocabulary import OEDEMA, WHITE_MATTER

RNG = np.random.default_rng


def ball(radius: float, size: int = 40) -> np.ndarray:
    """White matter in a ball, a ball of oedema in its middle."""
    r = np.sqrt(sum((axis - (size - 1) / 2) ** 2 for axis in np.indices((size, size, size))))
    return np.where(r < radius, OEDEMA, np.where(r < size / 2, WHITE_MATTER, 0)).astype(np.uint8)


def test_frechet_distance_of_scaled_and_shifted_normals_is_the_closed_form() -> None:
    base = RNG(0).standard_normal((200, 3))
    base = (base - base.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(base, rowvar=False))).T
    shifted = 2 * base + np.array([3.0, 0, 4.0])  # covariances I and 4 I: 25 + 3 (1 − 2)²
    assert frechet_distance(base, shifted) == pytest.approx(28, rel=1e-6)
    assert frechet_distance(base, base) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_less_chance_is_zero_on_average_whatever_the_sizes() -> None:
    excess = []
    for seed in range(40):
        rows = RNG(seed).standard_normal((42, 4))
        real, synthetic = rows[:12], rows[12:]
        excess.append(frechet_distance(real, synthetic) - frechet_by_chance(real, synthetic, seed))
    assert abs(np.mean(excess)) < 3 * np.std(excess) / np.sqrt(len(excess))
    assert frechet_by_chance(rows[:12], rows[12:], 0) > 0.1


def test_kernel_distance_is_the_naive_sum_and_unbiased() -> None:
    real, synthetic = RNG(1).standard_normal((5, 3)), RNG(2).standard_normal((4, 3)) + 1

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    naive = (np.mean([kernel(a, b) for a, b in permutations(real, 2)])
             + np.mean([kernel(a, b) for a, b in permutations(synthetic, 2)])
             - 2 * np.mean([kernel(a, b) for a in real for b in synthetic]))
    assert kernel_distance(real, synthetic) == pytest.approx(1000 * naive)
    null = [kernel_distance(rows[:8], rows[8:]) for rows in (RNG(k).standard_normal((24, 3)) for k in range(200))]
    assert abs(np.mean(null)) < 3 * np.std(null) / np.sqrt(200)


def test_whitening_keeps_distances_and_orders_axes_by_spread() -> None:
    real, synthetic = RNG(3).normal(size=(30, 5)), RNG(4).normal(2, 3, size=(20, 5))
    first, second = whitened(real, synthetic, components=5)
    scaled = [(rows - 0) / np.sqrt((((real - (c := (real.mean(0) + synthetic.mean(0)) / 2)) ** 2).mean(0)
                                    + ((synthetic - c) ** 2).mean(0)) / 2) for rows in (real, synthetic)]
    assert np.linalg.norm(first[0] - second[0]) == pytest.approx(
        np.linalg.norm(scaled[0][0] - scaled[1][0]) / np.sqrt(5))
    spread = (first**2).mean(axis=0) + (second**2).mean(axis=0)
    assert (np.diff(spread) <= 1e-12).all()


def test_ms_ssim_is_monais() -> None:
    first = gaussian_filter(RNG(0).random((24, 32, 28)), 2).astype(np.float32) * 3 % 1
    second = np.clip(first + 0.1 * RNG(1).standard_normal(first.shape), 0, 1).astype(np.float32)
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=2 * RADIUS + 1, kernel_sigma=SIGMA,
                                  weights=WEIGHTS, reduction="none")
    found = metric(torch.from_numpy(first)[None, None], torch.from_numpy(second)[None, None])
    expected = float(np.asarray(found)[0, 0])
    assert ms_ssim(first, second) == pytest.approx(expected, abs=1e-4)
    assert ms_ssim(first, first) == pytest.approx(1)


def test_histogram_distance_of_a_shift_is_the_shift() -> None:
    labels = ball(8)
    images = np.full((4, *labels.shape), 0.25) + 0.2 * RNG(0).random((4, *labels.shape))
    moved = images + np.array([0.0, 0.125, 0.25, 0.5])[:, None, None, None]
    found = histogram_distance(*(tissue_histograms(one, labels)[None] for one in (images, moved)))
    assert found == pytest.approx([0, 0.125, 0.25, 0.5], abs=1e-6)


def test_signed_distance_and_profile_of_a_ball_step_at_its_surface() -> None:
    labels = ball(8)
    distance = signed_distance(labels, 2.0)
    assert distance[20, 20, 20] == pytest.approx(-15, abs=2)
    assert distance.max() > 0
    images = np.where(labels == OEDEMA, 0.8, 0.4)[None].repeat(4, 0) + 0.01 * RNG(0).standard_normal((4, *labels.shape))
    profile = boundary_profile(images, labels, 2.0)
    middles = distances_mm(2.0)
    assert np.nanmin(profile[:, middles < 0]) > 10
    assert np.nanmax(np.abs(profile[:, middles > 0])) < 1


def test_profile_difference_counts_in_spreads_of_real_subjects_and_ignores_gaps() -> None:
    real = RNG(0).normal(0, 2, (400, 4, 6))
    synthetic = RNG(1).normal(0, 2, (400, 4, 6)) + np.array([0.0, 2, 4, 6])[:, None]
    real[0, 0, 0] = synthetic[3, 1, 2] = np.nan
    assert profile_difference(real, synthetic) == pytest.approx([0.05, 1, 2, 3], abs=0.15)


def test_a_spectrum_has_its_wave_in_its_ring_and_blur_lowers_the_fine_ones() -> None:
    x = np.indices((32, 32, 32))[0]
    labels = np.full((32, 32, 32), WHITE_MATTER, np.uint8)
    waves = np.stack([0.5 + 0.3 * np.sin(2 * np.pi * x * cycles / 32) for cycles in (2, 5, 9, 13)])
    loudest = radial_spectrum(waves, labels).argmax(axis=1)
    assert loudest.tolist() == [int(cycles / 32 * 2 * SHELLS) for cycles in (2, 5, 9, 13)]
    noise = RNG(0).random((4, 32, 32, 32))
    blurred = np.stack([gaussian_filter(one, 0.7) for one in noise])
    real, soft = (radial_spectrum(one, labels)[None] for one in (noise, blurred))
    assert (fine_log_ratio(real, soft) < -1).all()
    assert fine_log_ratio(real, real) == pytest.approx(0)


def test_the_jackknife_of_a_difference_of_means_is_its_textbook_error() -> None:
    real, synthetic = RNG(0).normal(size=(25, 1)), RNG(1).normal(size=(40, 1))
    found = jackknife(lambda a, b: b.mean(axis=0) - a.mean(axis=0), (real, synthetic), ["difference"])["difference"]
    assert found.value == pytest.approx(synthetic.mean() - real.mean())
    assert found.error == pytest.approx(np.sqrt(real.var(ddof=1) / 25 + synthetic.var(ddof=1) / 40))


def test_a_perfect_detector_still_has_an_interval() -> None:
    found = detector_auc(np.zeros(20), np.ones(20))
    assert found.value == 1
    assert found.interval((0, 1))[0] < 1


def test_pairs_are_of_like_volume_and_used_once() -> None:
    pairs = paired_by_volume([100, 10, 1000], [11, 900, 95, 5000])
    assert sorted(pairs) == [(0, 2), (1, 0), (2, 1)]
    assert paired_by_volume([], [1.0]) == []


def test_rim_points_lie_on_the_boundary_and_deep_in_the_brain() -> None:
    labels = ball(8)
    labels[:, :, :14] = 0  # the brain ends 12 mm from the tumour's middle
    distance = signed_distance(labels, 2.0)
    points = rim_points(distance, labels > 0, 2.0, RNG(0))
    assert len(points) == 8
    assert all(labels[tuple(point)] == OEDEMA and -2 <= distance[tuple(point)] < 0 for point in points)
    assert all(point[2] >= 14 + 4 for point in points)
    assert len({tuple(point) for point in points}) == 8
