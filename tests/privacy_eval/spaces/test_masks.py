"""The spaces of label maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet, Picture
from privacy_eval.spaces.masks import MaskSpace
from privacy_eval.spaces.nearest import distance_matrix

GRID = (6, 6, 4)


def cases(labels: np.ndarray) -> ImageSet:
    return ImageSet(np.zeros((len(labels), 1, *labels.shape[1:]), np.float32), labels)


def random_labels(n: int, seed: int, grid: tuple[int, ...] = GRID) -> ImageSet:
    return cases(np.random.default_rng(seed).integers(0, 7, (n, *grid)))


@given(st.integers(0, 999), st.sampled_from([(6, 6, 4), (7, 5)]))
@settings(max_examples=25)
def test_tumour_distance_is_the_stated_soft_dice(seed: int, grid: tuple[int, ...]) -> None:
    pair = random_labels(2, seed, grid)
    regions = [np.stack([np.isin(labels, values) for values in ((4, 5, 6), (4, 6), (6,))]) for labels in pair.labels]
    a, b = (region.astype(float) for region in regions)
    ochiai = np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))
    space = MaskSpace.tumour(grid)
    distances = distance_matrix(space.map(pair), space.map(pair))
    assert distances[0, 1] == pytest.approx(np.sqrt(2 - 2 * ochiai), abs=1e-3)
    assert (distances[[0, 1], [0, 1]] == 0).all()
    assert ochiai >= 2 * np.sum(a * b) / (np.sum(a**2) + np.sum(b**2)) - 1e-12


def test_more_overlap_of_tumours_of_one_size_is_nearer() -> None:
    labels = np.zeros((5, 12, 12), int)
    for shift, image in enumerate(labels):
        image[2:6, 2 + shift:6 + shift] = 5
    space = MaskSpace.tumour((12, 12))
    distances = distance_matrix(space.map(cases(labels)), space.map(cases(labels)))[0]
    dice = np.array([1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(distances, np.sqrt(2 - 2 * dice), atol=1e-6)


def test_tissue_does_not_count_for_the_tumour() -> None:
    tumour = random_labels(1, 0).labels
    other_tissue = np.where(tumour < 4, 3 - tumour, tumour)
    space = MaskSpace.tumour(GRID)
    np.testing.assert_array_equal(space.map(cases(tumour)), space.map(cases(other_tissue)))


def test_an_image_without_a_tumour_is_far_from_everything() -> None:
    labels = random_labels(3, 1).labels
    labels[:2] %= 4
    space = MaskSpace.tumour(GRID)
    vectors = space.map(cases(labels))
    assert not vectors[:2].any()
    expected = np.full((3, 3), np.sqrt(2))
    expected[2, 2] = 0
    np.testing.assert_allclose(distance_matrix(vectors, vectors), expected, rtol=1e-6)


def tissues(labels: np.ndarray) -> np.ndarray:
    return np.stack([labels == 1, labels == 2, labels >= 3]).astype(float)


def test_anatomy_is_the_tissues_less_the_public_mean() -> None:
    public, subject = random_labels(4, 2), random_labels(1, 3)
    centred = tissues(subject.labels[0]) - np.mean([tissues(labels) for labels in public.labels], axis=0)
    space = MaskSpace.anatomy(public)
    assert space.name == "anatomy"
    np.testing.assert_allclose(space.map(subject)[0], centred.ravel() / np.linalg.norm(centred), atol=1e-6)


def test_the_tumour_does_not_count_for_the_anatomy() -> None:
    labels = random_labels(1, 9).labels
    tumour, other_tumour = labels.copy(), labels.copy()
    tumour[labels >= 3], other_tumour[labels >= 3] = 5, 6
    space = MaskSpace.anatomy(random_labels(3, 10))
    np.testing.assert_array_equal(space.map(cases(tumour)), space.map(cases(other_tumour)))


def test_pooled_anatomies_keep_shares_of_cubes() -> None:
    public, subject = random_labels(1, 4, (4, 4)), random_labels(1, 5, (4, 4))
    shares = [[channel[x:x + 2, y:y + 2].mean() for channel in tissues(labels[0]) for x in (0, 2) for y in (0, 2)]
              for labels in (public.labels, subject.labels)]
    centred = np.subtract(shares[1], shares[0])
    space = MaskSpace.anatomy(public, maximum_voxels=4)
    np.testing.assert_allclose(space.map(subject)[0], centred / np.linalg.norm(centred), atol=1e-6)


def test_images_do_not_count() -> None:
    subject = random_labels(1, 6)
    bright = ImageSet(subject.images + 1, subject.labels)
    space = MaskSpace.anatomy(random_labels(3, 7))
    np.testing.assert_array_equal(space.map(subject), space.map(bright))


def test_bad_label_maps_are_refused() -> None:
    public = random_labels(2, 8)
    bare = ImageSet(public.images)
    with pytest.raises(InputError, match="found none; the space 'anatomy' needs one for every image"):
        MaskSpace.anatomy(bare)
    with pytest.raises(InputError, match="found none for the space 'anatomy'"):
        MaskSpace.anatomy(public.subset([]))
    space = MaskSpace.tumour(GRID)
    with pytest.raises(InputError, match="the space 'tumour' needs one"):
        space.map(bare)
    with pytest.raises(InputError, match=r"found shape \(2, 2, 2\); expected \(6, 6, 4\)"):
        space.map([Picture(np.zeros((1, 2, 2, 2)), np.zeros((2, 2, 2), int))])
    with pytest.raises(InputError, match="values 0 to 7"):
        space.map([Picture(np.zeros((1, *GRID)), np.arange(np.prod(GRID)).reshape(GRID) % 8)])
    assert space.map([]).shape == (0, 3 * 144)
