"""The feature space and nearest distances."""

from __future__ import annotations

import numpy as np
import pytest
from audit_case import volumes
from scipy.ndimage import gaussian_filter

from privacy_eval.errors import InputError
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.voxels import MAXIMUM_VOXELS, FeatureSpace


def test_nearest_distance_is_the_smallest_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    queries, targets = rng.normal(size=(30, 7)), rng.normal(size=(40, 7))
    naive = [min(np.sqrt(np.sum((q - t) ** 2)) for t in targets) for q in queries]
    np.testing.assert_allclose(nearest_distance(queries, targets), naive)


def test_no_target_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no target"):
        nearest_distance(np.zeros((2, 3)), np.zeros((0, 3)))


def test_vectors_have_length_one_and_ignore_scanner_gain() -> None:
    rng = np.random.default_rng(1)
    space = FeatureSpace.fit(volumes(5, rng))
    subjects = volumes(4, rng)
    gain = np.array([3.0, 0.2], np.float32)[:, None, None, None]
    np.testing.assert_allclose(np.linalg.norm(space.map(subjects), axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(space.map(subjects * gain), space.map(subjects), atol=1e-5)


def test_a_volume_that_is_the_public_mean_lies_at_the_origin() -> None:
    volume = volumes(1, np.random.default_rng(2))
    assert not FeatureSpace.fit(volume).map(volume).any()


def test_a_fine_grid_is_averaged_over_cubes_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(3)
    volume = rng.random((1, 2, 30, 31, 32)).astype(np.float32)
    space = FeatureSpace.fit(volume)
    assert space.side == 2
    assert space.centre.size == 2 * 15 * 16 * 16
    assert space.centre.size // 2 <= MAXIMUM_VOXELS
    cube = volume[0, 1, 4:6, 2:4, 6:8].mean()
    sequence = space.centre.reshape(2, 15, 16, 16)[1]
    ratio = cube / volume[0, 1, 0:2, 0:2, 0:2].mean()
    assert sequence[2, 1, 3] / sequence[0, 0, 0] == pytest.approx(ratio, rel=1e-5)


def test_blurry_volumes_are_not_near_everything() -> None:
    rng = np.random.default_rng(4)
    people, others = volumes(40, rng), volumes(20, rng)
    blurry = gaussian_filter(volumes(20, rng), (0, 0, 2, 2, 2))
    raw = nearest_distance(people.reshape(40, -1), blurry.reshape(20, -1))
    raw_sharp = nearest_distance(people.reshape(40, -1), others.reshape(20, -1))
    assert np.median(raw) < 0.85 * np.median(raw_sharp)
    space = FeatureSpace.fit(volumes(60, rng))
    ours, ours_sharp = (nearest_distance(space.map(people), space.map(s)) for s in (blurry, others))
    assert np.median(ours) == pytest.approx(np.median(ours_sharp), rel=0.1)


def test_an_empty_sequence_does_no_harm() -> None:
    rng = np.random.default_rng(5)
    space = FeatureSpace.fit(volumes(3, rng))
    subject = volumes(1, rng)
    subject[:, 1] = 0
    assert np.isfinite(space.map(subject)).all()


@pytest.mark.parametrize(
    ("public", "message"), [(np.zeros((0, 2, 3, 3, 3)), "public volumes"), (np.zeros((2, 3, 3, 3)), "public volumes")]
)
def test_public_volumes_must_be_there(public: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureSpace.fit(public)


def test_other_shapes_and_values_that_are_not_finite_are_refused() -> None:
    space = FeatureSpace.fit(volumes(3, np.random.default_rng(6)))
    with pytest.raises(InputError, match="found shape"):
        space.map(np.ones((1, 2, 4, 4, 4), np.float32))
    with pytest.raises(InputError, match="not finite"):
        space.map(np.full((1, 2, 8, 8, 8), np.nan, np.float32))
