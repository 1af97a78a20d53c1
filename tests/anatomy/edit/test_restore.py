from __future__ import annotations

import numpy as np
import pytest
from edit_case import GRID, drawn, given

from fl_components.anatomy.edit.restore import mirrored, restored, symmetric_push, template_coordinates
from fl_components.anatomy.edit.source import head_of_labels
from fl_components.study import Grid
from fl_components.vocabulary import ENHANCING, GREY_MATTER, NECROTIC, TUMOUR, WHITE_MATTER
from privacy_eval.errors import InputError


def two_halves() -> tuple[np.ndarray, Grid]:
    """A symmetric block: white inside, grey around."""
    labels = np.zeros((20, 16, 16), np.uint8)
    labels[2:18, 2:14, 2:14] = GREY_MATTER
    labels[4:16, 4:12, 4:12] = WHITE_MATTER
    return labels, Grid(shape=(20, 16, 16), spacing_mm=4.0)


def test_a_symmetric_brain_is_restored_exactly_from_its_other_half() -> None:
    healthy, grid = two_halves()
    labels = healthy.copy()
    labels[3:7, 5:10, 5:10] = ENHANCING  # across the border of grey and white
    tissues = restored(labels, np.zeros((3, 10, 8, 8), np.float32), grid)
    found = np.where(labels > 0, tissues.argmax(axis=0) + 1, 0)
    np.testing.assert_array_equal(found, healthy)


def test_a_tumour_on_both_sides_takes_the_nearest_tissue() -> None:
    healthy, grid = two_halves()
    labels = healthy.copy()
    labels[8:12, 6:10, 6:10] = NECROTIC
    tissues = restored(labels, np.zeros((3, 10, 8, 8), np.float32), grid)
    assert (tissues.argmax(axis=0)[8:12, 6:10, 6:10] + 1 == WHITE_MATTER).all()


def test_mirroring_twice_is_nothing() -> None:
    labels, _ = two_halves()
    labels[3, 4, 5] = 6
    assert mirrored(labels, labels > 0)[16, 4, 5] == 6
    np.testing.assert_array_equal(mirrored(mirrored(labels, labels > 0), labels > 0)[2:18], labels[2:18])


def test_template_coordinates_are_those_the_brain_was_made_with() -> None:
    found = template_coordinates(drawn(1, tumour=False).labels, GRID)
    truth = drawn(1, tumour=False).healthy.template_mm
    inside = drawn(1, tumour=False).labels > 0
    error = np.linalg.norm((found - truth)[:, inside], axis=0)
    assert np.median(error) < 8  # the sampler rotates and warps by this much
    assert np.quantile(error, 0.95) < 16


def test_a_tumour_without_core_has_no_push() -> None:
    labels, grid = two_halves()
    labels[5:8, 6:9, 6:9] = 5
    share, push = symmetric_push(labels, grid)
    assert share == 0
    assert not push.any()


@pytest.mark.parametrize("seed", [1, 3])
def test_the_given_anatomy_is_unchanged_until_it_is_edited(seed: int) -> None:
    np.testing.assert_array_equal(given(seed).labels, drawn(seed).labels)
    assert not np.isin(given(seed).with_lesions(()).labels, TUMOUR).any()


def test_labels_beyond_the_vocabulary_are_refused() -> None:
    labels, grid = two_halves()
    with pytest.raises(InputError, match=r"label values \[9\], expected 0 to 6"):
        head_of_labels(np.where(labels == 2, 9, labels), grid)
    with pytest.raises(InputError, match="every voxel is background"):
        head_of_labels(labels * 0, grid)
