from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from small_run import CONTRAST

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, measure_contrast, paint
from fl_components.study import Grid
from fl_components.training.quality import (
    compare,
    high_frequency_power,
    masked_l1,
    texture_share,
    tissue_error,
)
from fl_components.vocabulary import GREY_MATTER, SEQUENCES, WHITE_MATTER

SHAPE = (32, 24, 16)
WHOLE = np.full(SHAPE, WHITE_MATTER, np.uint8)
"""A box that is all brain, so that powers have a closed form."""


def wave(cycles: int, amplitude: float = 1.0) -> np.ndarray:
    """The same sinusoid along x in every sequence, `cycles` over the box."""
    line = amplitude * np.sin(2 * np.pi * cycles * np.arange(SHAPE[0]) / SHAPE[0] + 0.3)
    return np.broadcast_to(line[:, None, None], (4, *SHAPE)).astype(np.float64)


def make_scan(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real images, their anatomy, and the lookup table of both."""
    rng = np.random.default_rng(seed)
    labels = AnatomySampler(Grid(shape=(24, 28, 24), spacing_mm=7.0)).sample(rng).labels
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    noisy = paint(labels, contrast) + 0.05 * rng.standard_normal((4, *labels.shape))
    real = np.where(labels > 0, np.clip(noisy, 0, 1), 0).astype(np.float32)
    return real, labels, paint(labels, measure_contrast(real, labels))


@pytest.mark.parametrize(("cycles", "is_high"), [(1, False), (8, False), (9, True), (15, True)])
def test_sinusoid_counts_only_above_the_cutoff(cycles: int, is_high: bool) -> None:
    """The cutoff, a quarter cycle a voxel, is 8 cycles of 32 voxels. Parseval: the power is N times the variance."""
    power = high_frequency_power(wave(cycles, 0.4), WHOLE)
    n = WHOLE.size
    np.testing.assert_allclose(power, n * 0.4**2 / 2 if is_high else 0, rtol=1e-10, atol=1e-18 * n)


def test_white_noise_has_the_power_of_its_high_frequencies() -> None:
    """White noise spreads its variance evenly over the frequencies."""
    sigma = 0.1
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in SHAPE), indexing="ij")
    share = np.mean(np.linalg.norm(frequencies, axis=0) > 0.25)
    noise = sigma * np.random.default_rng(0).standard_normal((4, *SHAPE))
    expected = share * WHOLE.size * sigma**2
    np.testing.assert_allclose(high_frequency_power(noise, WHOLE), expected, rtol=5 / np.sqrt(share * WHOLE.size / 2))


def test_the_mean_of_the_brain_does_not_matter() -> None:
    noise = np.random.default_rng(1).standard_normal((4, *SHAPE))
    labels = WHOLE.copy()
    labels[:4] = 0
    np.testing.assert_allclose(high_frequency_power(noise + 5, labels), high_frequency_power(noise, labels))


def test_lookup_table_fools_the_high_frequency_share_but_not_the_texture_share() -> None:
    real, labels, painted = make_scan()
    found = compare(painted, real, labels)
    assert min(found["high_frequency_share"].values()) > 0.7
    assert max(found["texture_share"].values()) == 0


def test_real_image_scores_perfectly() -> None:
    real, labels, _ = make_scan()
    found = compare(real, real, labels)
    assert set(found["texture_share"]) == set(SEQUENCES)
    assert set(found["texture_share"].values()) == set(found["high_frequency_share"].values()) == {1.0}
    assert set(found["l1"].values()) == set(found["tissue_error"].values()) == {0.0}


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0])
def test_texture_share_is_the_square_of_the_texture_s_size(scale: float) -> None:
    real, labels, painted = make_scan()
    np.testing.assert_allclose(texture_share(painted + scale * (real - painted), real, labels), scale**2, rtol=1e-4)


def test_wrong_contrast_is_no_texture() -> None:
    """A lookup table of another contrast misses every tissue's brightness, and still has no texture."""
    real, labels, painted = make_scan()
    other = paint(labels, Contrast(CONTRAST[::-1].astype(np.float32), np.ones(6, bool)))
    assert tissue_error(other, real, labels).min() > 0.05
    assert texture_share(other, real, labels).max() == 0
    assert high_frequency_power(other - painted, labels).min() > high_frequency_power(real - painted, labels).max()


def test_texture_share_ignores_what_is_smooth() -> None:
    """A smooth field over the lookup table is no texture."""
    real, labels, painted = make_scan()
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(labels.shape), 6)
    smooth = painted + 0.05 * field / field.std()
    assert texture_share(smooth, real, labels).max() < 0.1


def test_texture_share_of_added_noise_has_a_closed_form() -> None:
    """Noise of standard deviation σ over a painted box whose scan has noise τ: σ² / τ²."""
    rng = np.random.default_rng(2)
    real = 0.5 + 0.1 * rng.standard_normal((4, *SHAPE))
    images = 0.5 + 0.05 * rng.standard_normal((4, *SHAPE))
    np.testing.assert_allclose(texture_share(images, real, WHOLE), 0.25, rtol=0.1)


def test_painted_real_image_has_no_share() -> None:
    _, labels, painted = make_scan()
    assert np.isnan(texture_share(painted, painted, labels)).all()


def test_masked_l1_counts_the_brain_alone() -> None:
    labels = WHOLE.copy()
    labels[: SHAPE[0] // 2] = 0
    real = np.zeros((4, *SHAPE))
    images = np.where(labels > 0, 0.2, 9.0) * np.arange(1, 5)[:, None, None, None]
    np.testing.assert_allclose(masked_l1(images, real, labels), [0.2, 0.4, 0.6, 0.8])


def test_tissue_error_is_the_mean_shift_of_the_tissues_present() -> None:
    """White matter shifted by .3 and grey by .1; the absent tissues count for nothing."""
    labels = WHOLE.copy()
    labels[: SHAPE[0] // 2] = GREY_MATTER
    real = np.random.default_rng(0).uniform(0.2, 0.5, (4, *SHAPE)).astype(np.float32)
    images = real + np.where(labels == GREY_MATTER, 0.1, 0.3).astype(np.float32)
    np.testing.assert_allclose(tissue_error(images, real, labels), 0.2, rtol=1e-5)
