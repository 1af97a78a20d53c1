"""The space of normalised voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from privacy_eval.errors import InputError
from privacy_eval.spaces.cubes import cube_means, cube_sides, pooled_grid
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.voxels import COARSE_VOXELS, MAXIMUM_VOXELS, VoxelSpace


def smooth(n: int, rng: np.random.Generator, grid: tuple[int, ...] = (8, 8, 8)) -> ImageSet:
    """Two sequences of smooth noise around a common brain."""
    noise = gaussian_filter(rng.standard_normal((n, 2, *grid)), (0, 0, *[1] * len(grid)))
    return ImageSet((1 + noise).astype(np.float32))


def naive_cube_means(channel: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    grid = pooled_grid(channel.shape, sides)
    means = np.zeros(grid)
    for voxel in np.ndindex(*channel.shape):
        means[tuple(at // side for at, side in zip(voxel, sides, strict=True))] += channel[voxel]
    return means / np.prod(sides)


@given(st.lists(st.integers(1, 7), min_size=2, max_size=3), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=40)
def test_cubes_are_means_of_the_padded_grid(grid: list[int], maximum: int, seed: int) -> None:
    image = np.random.default_rng(seed).random((2, *grid), np.float32)
    sides = cube_sides(tuple(grid), maximum)
    means = cube_means(image, sides)
    assert np.prod(means.shape[1:]) <= maximum
    assert means.shape[1:] == pooled_grid(tuple(grid), sides)
    assert all(side <= length for side, length in zip(sides, grid, strict=True))
    for channel, naive in zip(means, image, strict=True):
        np.testing.assert_allclose(channel, naive_cube_means(naive, sides), rtol=1e-4)


def test_a_thin_axis_is_averaged_whole_not_diluted() -> None:
    image = np.ones((1, 40, 40, 2), np.float32)
    sides = cube_sides(image.shape[1:], 100)
    assert sides == (4, 4, 2)
    np.testing.assert_array_equal(cube_means(image, sides), np.ones((1, 10, 10, 1)))


@pytest.mark.parametrize("grid", [(8, 8, 8), (30, 20)])
def test_vectors_have_length_one_and_ignore_scanner_gain(grid: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    space = VoxelSpace.fit(smooth(5, rng, grid), maximum_voxels=300)
    subjects = smooth(4, rng, grid)
    gain = np.array([3.0, 0.2], np.float32).reshape(2, *[1] * len(grid))
    vectors = space.map(subjects)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(space.map(ImageSet(subjects.images * gain)), vectors, atol=1e-5)


def test_vectors_follow_the_four_steps() -> None:
    rng = np.random.default_rng(2)
    public, subject = smooth(3, rng, (4, 6)), smooth(1, rng, (4, 6))

    def scaled(image: np.ndarray) -> np.ndarray:
        cubes = [naive_cube_means(channel, (2, 2)) for channel in image]
        return np.concatenate([(c / np.sqrt(np.mean(c**2))).ravel() for c in cubes])

    centred = scaled(subject.images[0]) - np.mean([scaled(image) for image in public.images], axis=0)
    space = VoxelSpace.fit(public, maximum_voxels=6)
    np.testing.assert_allclose(space.map(subject)[0], centred / np.linalg.norm(centred), atol=1e-5)


def test_an_image_that_is_the_public_mean_has_no_direction() -> None:
    public = smooth(1, np.random.default_rng(2))
    assert not VoxelSpace.fit(public).map(public).any()


def test_a_fine_grid_keeps_at_most_the_stated_voxels() -> None:
    public = ImageSet(np.random.default_rng(3).random((1, 2, 40, 48, 40), np.float32))
    fine, coarse = VoxelSpace.fit(public), VoxelSpace.fit(public, "coarse", COARSE_VOXELS)
    assert (fine.name, fine.sides) == ("voxels", (2, 2, 2))
    assert (coarse.name, coarse.sides) == ("coarse", (4, 4, 4))
    assert fine.centre.size <= 2 * MAXIMUM_VOXELS
    assert coarse.centre.size <= 2 * COARSE_VOXELS


def test_blurry_volumes_are_not_near_everything() -> None:
    rng = np.random.default_rng(4)
    people, others, public = (smooth(n, rng) for n in (40, 20, 60))
    blurry = ImageSet(gaussian_filter(smooth(20, rng).images, (0, 0, 2, 2, 2)))
    raw = [nearest_distance(people.images.reshape(40, -1), s.images.reshape(20, -1)) for s in (blurry, others)]
    assert np.median(raw[0]) < 0.85 * np.median(raw[1])
    space = VoxelSpace.fit(public)
    ours = [nearest_distance(space.map(people), space.map(s)) for s in (blurry, others)]
    assert np.median(ours[0]) == pytest.approx(np.median(ours[1]), rel=0.1)


def test_an_empty_sequence_does_no_harm() -> None:
    rng = np.random.default_rng(5)
    space, subject = VoxelSpace.fit(smooth(3, rng)), smooth(1, rng)
    subject.images[:, 1] = 0
    assert np.isfinite(space.map(subject)).all()


def test_half_precision_images_map_as_single_ones_do() -> None:
    rng = np.random.default_rng(6)
    space, subject = VoxelSpace.fit(smooth(3, rng)), smooth(2, rng)
    half = ImageSet(subject.images.astype(np.float16))
    np.testing.assert_allclose(space.map(half), space.map(subject), atol=2e-3)


def test_bad_images_are_refused() -> None:
    public = smooth(3, np.random.default_rng(6))
    space = VoxelSpace.fit(public)
    with pytest.raises(InputError, match=r"found shape \(2, 4, 4, 4\); expected \(2, 8, 8, 8\)"):
        space.map(ImageSet(np.ones((1, 2, 4, 4, 4), np.float32)))
    not_finite = ImageSet(np.full((1, 2, 8, 8, 8), np.nan, np.float32))
    with pytest.raises(InputError, match="not finite"):
        space.map(not_finite)
    with pytest.raises(InputError, match="not finite"):
        VoxelSpace.fit(not_finite)
    with pytest.raises(InputError, match="found none for the space 'voxels'"):
        VoxelSpace.fit(public.subset([]))
    assert space.map([]).shape == (0, 1024)
