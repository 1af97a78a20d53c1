from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_run import CONTRAST

from fl_components.contrast import MINIMUM_VOXELS, VECTOR_SIZE, Contrast, draw_deviation, measure_contrast, paint

LABELS = arrays(np.uint8, (6, 6, 6), elements=st.integers(0, 6))


@given(LABELS)
def test_painting_and_measuring_are_inverse(labels: np.ndarray) -> None:
    counts = np.bincount(labels.ravel(), minlength=7)[1:]
    contrast = measure_contrast(paint(labels, Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))), labels)
    np.testing.assert_array_equal(contrast.present, counts >= MINIMUM_VOXELS)
    np.testing.assert_allclose(contrast.mean[contrast.present], CONTRAST[contrast.present], atol=1e-6)
    assert (contrast.mean[~contrast.present] == 0).all()


def test_median_ignores_a_bright_minority() -> None:
    labels = np.full((5, 5, 5), 3, np.uint8)
    images = np.full((4, 5, 5, 5), 0.5, np.float32)
    images[:, :2] = 1.0  # 40 %
    np.testing.assert_allclose(measure_contrast(images, labels).mean[2], 0.5)


def test_vector_holds_means_then_presence() -> None:
    present = np.array([True, True, True, False, True, False])
    vector = Contrast(CONTRAST * present[:, None], present).vector()
    assert vector.shape == (VECTOR_SIZE,)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector[-6:], present)
    np.testing.assert_allclose(vector[:24].reshape(6, 4), CONTRAST * present[:, None], atol=1e-6)


def test_background_is_painted_black() -> None:
    images = paint(np.zeros((3, 3, 3), np.uint8), Contrast(CONTRAST, np.ones(6, bool)))
    assert images.shape == (4, 3, 3, 3)
    assert not images.any()


def test_tissues_of_a_brain_and_sequences_of_a_tissue_go_together() -> None:
    """Correlations and spreads of many draws, within what cutting at two spreads takes away of both."""
    drawn = np.stack([draw_deviation(np.random.default_rng(seed)) for seed in range(4000)])
    assert np.abs(drawn).max() == 2
    np.testing.assert_allclose(drawn.std(axis=0), 0.96, atol=0.03)
    for sequence in range(4):
        found = np.corrcoef(drawn[:, :, sequence].T)
        for one in range(6):
            for other in range(one):
                expected = 0.9 if one < 3 else 0.6 if other >= 3 else 0.25
                assert found[one, other] == pytest.approx(expected, abs=0.06)
    pairs = {(0, 1): 0.45, (0, 2): 0, (0, 3): 0.3, (1, 2): 0.05, (1, 3): 0.4, (2, 3): 0.5}  # T1, T1ce, T2, FLAIR
    for tissue in range(6):
        found = np.corrcoef(drawn[:, tissue].T)
        for (one, other), expected in pairs.items():
            assert found[one, other] == pytest.approx(expected, abs=0.06)
