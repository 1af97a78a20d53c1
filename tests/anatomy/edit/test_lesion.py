from __future__ import annotations

import numpy as np
import pytest
from edit_case import drawn, sampled
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.anatomy.edit.growth import present_orders
from fl_components.anatomy.edit.lesion import Voxels, count_voxels, first, foci, orders_of, signed_distance
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, TUMOUR

SHAPE = (15, 15, 15)


def ball(radius: float, centre: tuple[int, int, int] = (7, 7, 7)) -> np.ndarray:
    offset = np.indices(SHAPE) - np.array(centre).reshape(3, 1, 1, 1)
    return np.sqrt((offset**2).sum(axis=0)) <= radius


def onion() -> np.ndarray:
    return np.where(ball(2), NECROTIC, np.where(ball(3.5), ENHANCING, np.where(ball(5.5), OEDEMA, 0))).astype(np.uint8)


def test_signed_distance_is_the_distance_to_the_other_kind() -> None:
    distance = signed_distance(np.array([[[True, True, False, False]]]), 2.0)
    assert distance.ravel().tolist() == [-4.0, -2.0, 2.0, 4.0]


def test_the_first_are_the_smallest_candidates() -> None:
    order = np.array([[[3.0, 1.0, 2.0, 0.0, 1.0]]])
    candidates = np.array([[[True, True, True, False, True]]])
    assert first(order, candidates, 2).ravel().tolist() == [False, True, False, False, True]
    assert first(order, candidates, 99).sum() == 4


@settings(max_examples=60)
@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 1))
def test_counts_stay_nested(whole: int, core: float, necrosis: float) -> None:
    voxels = Voxels(100, 50, 20).composed(whole, core, necrosis)
    assert voxels.whole == whole >= voxels.core >= voxels.necrosis >= 0
    assert abs(voxels.core - whole * core) <= 0.5


def test_orders_give_back_the_present_focus() -> None:
    labels = onion()
    orders = orders_of(labels, np.ones(SHAPE, bool), 1.0, np.zeros(SHAPE, bool))
    np.testing.assert_array_equal(orders.regions(count_voxels(labels), np.ones(SHAPE, bool)), labels)


@settings(max_examples=20)
@given(st.floats(0.2, 1.4))
def test_other_sizes_are_met_to_the_voxel_nested_and_of_the_same_shape(factor: float) -> None:
    labels, allowed = onion(), np.ones(SHAPE, bool)
    voxels = count_voxels(labels).scaled(factor)
    made = orders_of(labels, allowed, 1.0, ~allowed).regions(voxels, allowed)
    assert count_voxels(made) == voxels
    assert ((made > 0) <= (labels > 0)).all() if factor <= 1 else ((made > 0) >= (labels > 0)).all()
    centre = np.argwhere(made > 0).mean(axis=0)
    np.testing.assert_allclose(centre, [7, 7, 7], atol=0.35)
    radius = np.cbrt(voxels.whole * 3 / (4 * np.pi))
    assert np.sqrt(((np.argwhere(made > 0) - 7) ** 2).sum(axis=1)).max() < radius + 1.6


def test_what_is_not_allowed_is_left_out_unless_it_is_seated() -> None:
    labels, allowed = onion(), np.ones(SHAPE, bool)
    allowed[7] = False
    voxels = count_voxels(labels)
    free = orders_of(labels, allowed, 1.0, np.zeros(SHAPE, bool)).regions(voxels, allowed)
    assert not free[7].any()
    seated = orders_of(labels, allowed, 1.0, ~allowed).regions(voxels, allowed)
    np.testing.assert_array_equal(seated, labels)


def test_foci_are_the_separate_parts_by_size_with_their_specks() -> None:
    labels = np.where(ball(3, (4, 4, 4)), OEDEMA, 0) + np.where(ball(2, (11, 11, 11)), ENHANCING, 0)
    labels[0, 0, 0] = NECROTIC
    parts = foci(labels.astype(np.uint8))
    assert len(parts) == 2
    assert (parts[0] == NECROTIC).sum() == 1
    assert (parts[1] > 0).sum() == ball(2, (11, 11, 11)).sum()
    np.testing.assert_array_equal(np.maximum(*parts), labels)
    assert foci(np.zeros(SHAPE, np.uint8)) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_sampled_tumour_is_given_back_and_its_healthy_brain_is_known(seed: int) -> None:
    head = sampled(seed)
    np.testing.assert_array_equal(head.labels, drawn(seed).labels)
    np.testing.assert_array_equal(head.with_lesions(()).labels, drawn(seed).healthy.labels())
    orders = present_orders(head, 0)
    made = orders.regions(count_voxels(head.stamps[0]), head.tissue)
    np.testing.assert_array_equal(made, head.stamps[0])
    assert np.isin(head.labels, TUMOUR).sum() == head.tumour.sum()
