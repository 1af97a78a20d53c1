"""Registration to a template, and of nearest pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet, Picture
from privacy_eval.spaces.registration import TemplateMoments, nearest_pairs, register_pair, to_template

GRID = (24, 28, 22)


def brain(seed: int, grid: tuple[int, ...] = GRID) -> np.ndarray:
    """Two sequences of smooth texture inside an ellipsoid."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*[np.linspace(-1.6, 1.6, length) for length in grid], indexing="ij"))
    texture = gaussian_filter(rng.standard_normal((2, *grid)), (0, *[1.5] * len(grid)))
    return ((1 + 0.5 * texture / texture.std()) * (np.sum(at**2, axis=0) < 1)).astype(np.float32)


def box(low: tuple[int, ...], high: tuple[int, ...], grid: tuple[int, ...] = (20, 24)) -> Picture:
    labels = np.zeros(grid, int)
    labels[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = 3
    return Picture(labels[None].astype(np.float32), labels)


def as_set(picture: Picture) -> ImageSet:
    return ImageSet(picture.images[None])


def naive_moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    limits = [0.1 * np.percentile(np.abs(sequence), 99) for sequence in image]
    positions = np.array([at for at in np.ndindex(*image.shape[1:])
                          if any(abs(sequence[at]) > limit for sequence, limit in zip(image, limits, strict=True))])
    return positions.mean(axis=0), positions.std(axis=0)


@given(st.integers(0, 999), st.sampled_from([(3, 4, 5), (6, 5)]))
@settings(max_examples=20)
def test_moments_are_those_of_the_foreground(seed: int, grid: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, 3, *grid)) * (rng.random((2, 1, *grid)) < 0.5)
    images[:, 0, 0, 0] = 1
    found = TemplateMoments.of(ImageSet(images))
    expected = np.mean([naive_moments(image) for image in images], axis=0)
    np.testing.assert_allclose(np.stack([found.centre, found.spread]), expected, atol=1e-12)


@pytest.mark.parametrize("grid", [GRID, (24, 28)])
def test_noise_around_a_brain_does_not_move_it(grid: tuple[int, ...]) -> None:
    image = brain(1, grid)
    noisy = image + np.random.default_rng(2).normal(0, 0.03, image.shape).astype(np.float32)
    clean, found = TemplateMoments.of(ImageSet(image[None])), TemplateMoments.of(ImageSet(noisy[None]))
    np.testing.assert_allclose(found.centre, clean.centre, atol=0.1)
    np.testing.assert_allclose(found.spread, clean.spread, rtol=0.02)


def test_a_shifted_image_comes_back_exactly() -> None:
    template, moved = box((4, 6), (12, 14)), box((7, 9), (15, 17))
    back = to_template(moved, TemplateMoments.of(as_set(template)))
    np.testing.assert_allclose(back.images, template.images, atol=1e-5)
    np.testing.assert_array_equal(back.labels, template.labels)


def test_a_stretched_image_is_brought_to_size() -> None:
    template = box((4, 6), (12, 14))
    back = to_template(box((2, 3), (18, 23)), TemplateMoments.of(as_set(template)))
    assert back.labels is not None
    assert template.labels is not None
    ours, theirs = back.labels > 0, template.labels > 0
    assert 2 * np.sum(ours & theirs) / (ours.sum() + theirs.sum()) > 0.9
    assert set(np.unique(back.labels)) == {0, 3}


@pytest.mark.parametrize("grid", [(12, 14, 10), (20, 17)])
def test_resampling_is_that_of_the_affine(grid: tuple[int, ...]) -> None:
    rng = np.random.default_rng(8)
    picture = Picture(brain(8, grid), rng.integers(0, 7, grid).astype(np.uint8))
    template = TemplateMoments(rng.uniform(4, 8, len(grid)), rng.uniform(1, 4, len(grid)))
    centre, spread = naive_moments(picture.images)
    stretch = spread / template.spread
    offset = centre - stretch * template.centre
    found = to_template(picture, template)
    assert found.labels is not None
    assert found.labels.dtype == np.uint8
    for moved, volume in zip(found.images, picture.images, strict=True):
        expected = affine_transform(volume, stretch, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(moved, expected, atol=1e-5)
    expected = affine_transform(picture.labels, stretch, offset, order=0, mode="grid-constant")
    np.testing.assert_array_equal(found.labels, expected)


def test_an_image_with_the_templates_moments_stays() -> None:
    picture = Picture(brain(0), None)
    same = to_template(picture, TemplateMoments.of(as_set(picture)))
    np.testing.assert_allclose(same.images, picture.images, atol=1e-4)
    assert same.labels is None


def test_registered_brains_are_more_alike() -> None:
    fixed = brain(1)
    grown = np.stack([affine_transform(s, np.full(3, 0.85), [4.0, 1.5, 2.0], order=1) for s in fixed])
    template = TemplateMoments.of(ImageSet(fixed[None]))
    back = to_template(Picture(grown, None), template)
    correlations = [np.corrcoef(image.ravel(), fixed.ravel())[0, 1] for image in (grown, back.images)]
    assert correlations[1] > 0.9
    assert correlations[0] < 0.8


def test_no_foreground_means_no_move() -> None:
    empty = Picture(np.zeros((1, 20, 24), np.float32), None)
    assert to_template(empty, TemplateMoments.of(as_set(box((4, 6), (12, 14))))) is empty
    with pytest.raises(InputError, match="found no voxel that is not 0"):
        TemplateMoments.of(as_set(empty))


def test_a_flat_axis_is_moved_but_not_stretched() -> None:
    template, flat = box((4, 6), (12, 14)), box((9, 9), (10, 17))
    back = to_template(flat, TemplateMoments.of(as_set(template)))
    assert np.isfinite(back.images).all()
    assert back.images.sum() == pytest.approx(flat.images.sum(), rel=0.01)


def test_a_known_move_is_found() -> None:
    fixed = brain(2)
    shift, turn, scale = np.array([1.5, -1.0, 0.5]), np.array([0.08, -0.05, 0.1]), np.array([0.05, -0.03, 0.02])
    matrix = Rotation.from_rotvec(turn).as_matrix() @ np.diag(np.exp(scale))
    middle = (np.array(GRID) - 1) / 2
    inverse = np.linalg.inv(matrix)
    moving = np.stack([affine_transform(s, inverse, middle - inverse @ (middle + shift), order=3) for s in fixed])
    found = register_pair(moving, fixed, maximum_voxels=fixed[0].size)
    assert found.before < 0.85
    assert found.after > 0.97
    np.testing.assert_allclose(found.parameters[:3], shift, atol=0.1)
    np.testing.assert_allclose(found.parameters[3:], [*turn, *scale], atol=0.01)


def test_before_is_the_mean_correlation_of_sequences() -> None:
    moving, fixed = brain(3), brain(4)
    found = register_pair(moving, fixed, maximum_voxels=moving[0].size)
    expected = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(moving, fixed, strict=True)])
    assert found.before == pytest.approx(expected, abs=1e-6)
    assert found.before <= found.after <= 1


def test_slices_take_five_parameters() -> None:
    fixed = brain(5, (40, 44))
    moving = np.roll(fixed, (2, -1), axis=(1, 2))
    found = register_pair(moving, fixed)
    assert found.after > 0.99
    np.testing.assert_allclose(found.parameters, [2, -1, 0, 0, 0], atol=0.05)


def test_a_copy_needs_no_move_and_an_empty_image_has_no_correlation() -> None:
    image = brain(6)
    copy, empty = register_pair(image, image), register_pair(np.zeros_like(image), image)
    assert copy.before == pytest.approx(1)
    np.testing.assert_allclose(copy.parameters, 0, atol=1e-3)
    assert (empty.before, empty.after) == (0, 0)
    with pytest.raises(InputError, match="expected one grid for both"):
        register_pair(image, image[:, :-1])


def test_nearest_pairs_are_each_patients_nearest() -> None:
    rng = np.random.default_rng(7)
    members = ImageSet(rng.random((6, 1, 5, 5)).astype(np.float32), patients=np.array([0, 0, 1, 2, 3, 3]))
    release = ImageSet(rng.random((4, 1, 5, 5)).astype(np.float32))
    ours, theirs = rng.random((6, 3)), rng.random((4, 3))
    distances = np.linalg.norm(ours[:, None] - theirs, axis=2)
    pairs = nearest_pairs(ours, theirs, members, release, count=3)
    assert len(pairs) == 3
    nearest = sorted(min((distances[row].min(), row) for row in np.flatnonzero(members.owners == patient))
                     for patient in range(4))[:3]
    assert [pair.member for pair in pairs] == [row for _, row in nearest]
    assert [pair.synthetic for pair in pairs] == [distances[row].argmin() for _, row in nearest]
    np.testing.assert_allclose([pair.distance for pair in pairs], [distance for distance, _ in nearest])
    first = pairs[0]
    expected = register_pair(release.images[first.synthetic], members.images[first.member])
    assert first.registration.after == expected.after
