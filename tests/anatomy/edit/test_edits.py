"""What every edit keeps to: volumes, nesting, the brain, the skull's rooms, the ventricles, the same bits again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from edit_case import GRID, VOXEL_ML, drawn, edited, file_of, given, no_donor, sampled
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from scipy import ndimage

from fl_components.anatomy.check import problems
from fl_components.anatomy.deform import jacobian
from fl_components.anatomy.edit.apply import Edited, apply_edits
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.lesion import count_voxels
from fl_components.anatomy.edit.measure import changed_beyond_reach, ventricle_ml
from fl_components.anatomy.edit.regions import region
from fl_components.anatomy.tumour import push_displacement
from fl_components.vocabulary import BACKGROUND, CSF, ENHANCING, NECROTIC, OEDEMA, TUMOUR
from privacy_eval.errors import InputError

SEED = 3
"""A tumour of moderate size, with all three parts."""
HEADS = [pytest.param(sampled, id="sampled"), pytest.param(given, id="given")]


def tumour_ml(labels: np.ndarray) -> float:
    return float(np.isin(labels, TUMOUR).sum()) * VOXEL_ML


def held_to_anatomy(before: Head, after: Head) -> None:
    """Inside the brain, off the fluid, nested, plausible, the other voxels' tissue only pushed."""
    assert not (after.tumour & ~after.pushed.mask).any()
    fluid = after.pushed.labels() == CSF
    seated = np.any([lesion.orders.seated for lesion in after.lesions], axis=0) if after.lesions else fluid & False
    assert not (after.tumour & fluid & ~ndimage.binary_dilation(seated)).any()
    known = {problem.split()[0] for problem in problems(before.labels, GRID)}
    assert {problem.split()[0] for problem in problems(after.labels, GRID)} <= known
    displacement = push_displacement(after.push - after.reference, GRID.shape, GRID.spacing_mm)
    assert jacobian(displacement, GRID.spacing_mm).min() > 0
    assert changed_beyond_reach(before.labels, after.labels, GRID.spacing_mm) < 0.05


def attempted(head: Head, edit: dict[str, Any]) -> tuple[Edited | None, str]:
    try:
        return edited(head, edit), ""
    except InputError as refused:
        return None, str(refused)


@pytest.mark.parametrize("head_of", HEADS)
@settings(max_examples=4)
@for_all(factor=st.floats(0.25, 2.0))
def test_resizing_meets_the_volume_and_keeps_the_composition(head_of: Callable[[int], Head], factor: float) -> None:
    head = head_of(SEED)
    after = edited(head, {"edit": "resize", "factor": factor}).states[-1]
    assert tumour_ml(after.labels) == pytest.approx(factor * head.volume_ml, abs=len(head.lesions) * VOXEL_ML)
    before_parts, after_parts = count_voxels(head.labels), count_voxels(after.labels)
    assert after_parts.core / after_parts.whole == pytest.approx(before_parts.core / before_parts.whole, abs=0.02)
    held_to_anatomy(head, after)


@pytest.mark.parametrize("head_of", HEADS)
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_small_resize_keeps_the_shape(head_of: Callable[[int], Head], factor: float) -> None:
    head = head_of(SEED)
    after = edited(head, {"edit": "resize", "factor": factor}).states[-1]
    both = (head.tumour & after.tumour).sum()
    dice = 2 * both / (head.tumour.sum() + after.tumour.sum())
    best = 2 * min(factor, 1) / (1 + factor)  # of a set and a part of it
    assert dice > best - 0.04


@settings(max_examples=4)
@for_all(st.floats(-24, 24), st.floats(-24, 24), st.floats(-16, 16))
def test_moving_meets_the_distance_or_says_what_can(x: float, y: float, z: float) -> None:
    head = sampled(SEED)
    result, refused = attempted(head, {"edit": "move", "by_mm": [x, y, z]})
    if result is None:
        assert "the nearest that can is by_mm = [" in refused
        return
    after = result.states[-1]
    assert after.volume_ml == pytest.approx(head.volume_ml, abs=VOXEL_ML)
    asked = float(np.linalg.norm([x, y, z]))
    assert result.measures[0]["missed_mm"] <= 6.0 + 0.15 * asked + 3.0  # its own push adds a little
    held_to_anatomy(head, after)


@pytest.mark.parametrize("head_of", HEADS)
def test_moving_to_a_lobe_and_to_the_other_hemisphere(head_of: Callable[[int], Head]) -> None:
    head = edited(head_of(SEED), {"edit": "resize", "volume_ml": 25}).states[-1]
    for name in ("left temporal", "right parietal"):
        after = edited(head, {"edit": "move", "to": name}).states[-1]
        inside = region(name, after.pushed.template_mm)
        assert inside[after.stamps[-1] > 0].mean() >= 0.5
        assert after.volume_ml == pytest.approx(25, abs=VOXEL_ML)
    start = np.argwhere(head.tumour).mean(axis=0)
    side = "left" if head.pushed.template_mm[0][head.tumour].mean() > 0 else "right"
    after = edited(head, {"edit": "move", "to": f"{side} hemisphere"}).states[-1]
    end = np.argwhere(after.tumour).mean(axis=0)
    assert np.sign(end[0] - 19.5) == -np.sign(start[0] - 19.5)
    np.testing.assert_allclose(end[1:], start[1:], atol=4)  # mirrored, within voxels


@settings(max_examples=4)
@for_all(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 1)))
def test_composing_meets_the_shares_within_the_outline(parts: tuple[float, float, float]) -> None:
    necrosis, enhancement, oedema = (round(part / sum(parts), 3) for part in parts)
    head = sampled(SEED)
    edit = {"edit": "compose", "necrosis": necrosis, "enhancement": enhancement, "oedema": oedema}
    result, refused = attempted(head, edit)
    if result is None:
        assert "the nearest" in refused
        return
    after = result.states[-1]
    whole = after.tumour.sum()
    assert whole == head.tumour.sum()
    for label, share in ((NECROTIC, necrosis), (OEDEMA, oedema)):
        assert (after.labels == label).sum() / whole == pytest.approx(share, abs=0.01)
    held_to_anatomy(head, after)


def test_regions_are_nested_around_a_full_rim() -> None:
    after = edited(sampled(SEED), {"edit": "compose", "necrosis": 0.05, "enhancement": 0.3, "oedema": 0.65}).states[-1]
    around = ndimage.binary_dilation(after.labels == NECROTIC) & (after.labels != NECROTIC)
    assert (after.labels[around] == ENHANCING).mean() > 0.8
    core = (after.labels == NECROTIC) | (after.labels == ENHANCING)
    shell = ndimage.binary_dilation(core) & ~core & after.tissue
    assert (after.labels[shell] == OEDEMA).mean() > 0.7


@pytest.mark.parametrize("seed", [0, 2])
def test_add_then_remove_gives_back_every_voxel(seed: int) -> None:
    healthy = sampled(seed, tumour=False)
    put = edited(healthy, {"edit": "transplant"}, seed=seed).states[-1]
    assert put.volume_ml > 2
    assert (put.labels != healthy.labels).any()
    back = edited(put, {"edit": "remove"}).states[-1]
    np.testing.assert_array_equal(back.labels, healthy.labels)
    head = sampled(SEED)
    again = edited(head, {"edit": "add_focus", "volume_ml": 8}, {"edit": "remove", "focus": 2}).states[-1]
    np.testing.assert_array_equal(again.labels, head.labels)


def test_removing_what_was_sampled_gives_the_healthy_brain_it_grew_in() -> None:
    after = edited(sampled(SEED), {"edit": "remove"}).states[-1]
    np.testing.assert_array_equal(after.labels, drawn(SEED).healthy.labels())


def test_a_given_tumour_is_replaced_by_tissue_like_the_true_one() -> None:
    head = given(SEED)
    after = edited(head, {"edit": "remove"}).states[-1]
    assert not np.isin(after.labels, TUMOUR).any()
    assert not (after.labels[head.tumour] == BACKGROUND).any()
    truth = drawn(SEED).healthy.labels()
    grey_before, grey = ((labels[head.tumour] == 2).mean() for labels in (truth, after.labels))
    assert grey == pytest.approx(grey_before, abs=0.25)


def test_the_same_file_gives_the_same_bits_and_another_seed_does_not() -> None:
    edits = ({"edit": "resize", "volume_ml": 20}, {"edit": "add_focus", "volume_ml": 6}, {"edit": "remove", "focus": 1},
             {"edit": "move", "to": "left frontal"})
    one, other = (edited(sampled(SEED), *edits, seed=4).after for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (edited(sampled(SEED), *edits, seed=5).after != one).any()


@settings(max_examples=3)
@for_all(st.sampled_from([(-14, 40, 40), (14, 20, 55), (-16, -50, 50), (18, -30, 60)]), st.floats(5, 18))
def test_beside_the_falx_growth_stays_on_its_side(place: tuple[int, int, int], volume_ml: float) -> None:
    healthy = sampled(1, tumour=False)
    tumour = {"volume_ml": volume_ml, "necrosis": 0.0, "enhancement": 0.3, "oedema": 0.7}
    after = edited(healthy, {"edit": "transplant", "at_mm": list(place), "tumour": tumour}).states[-1]
    across = np.sign(after.pushed.template_mm[0]) == -np.sign(place[0])
    assert (after.tumour & across & (after.rooms != 0)).sum() * VOXEL_ML < 0.05 * volume_ml


def test_a_tumour_beside_the_ventricle_presses_it_and_does_not_fill_it() -> None:
    healthy = sampled(1, tumour=False)
    tumour = {"volume_ml": 60, "necrosis": 0.2, "enhancement": 0.4, "oedema": 0.4}
    after = edited(healthy, {"edit": "transplant", "at_mm": [32, -20, 24], "tumour": tumour}).states[-1]
    assert 0.3 < ventricle_ml(after) / ventricle_ml(healthy) < 1
    held_to_anatomy(healthy, after)


def test_growth_follows_white_matter() -> None:
    healthy = sampled(1, tumour=False)
    tumour = {"volume_ml": 40, "necrosis": 0.0, "enhancement": 0.2, "oedema": 0.8}
    after = edited(healthy, {"edit": "transplant", "at_mm": [28, -20, 28], "tumour": tumour}).states[-1]
    centre = np.argwhere(after.tumour).mean(axis=0).reshape(3, 1, 1, 1)
    distance = np.sqrt(((np.indices(GRID.shape) - centre) ** 2).sum(axis=0))
    in_ball = (distance.ravel().argsort()[: int(after.tumour.sum())])
    white = after.pushed.labels() == 3
    assert white[after.tumour].mean() > white.ravel()[in_ball].mean() + 0.05


def test_a_donors_traits_come_with_the_transplant() -> None:
    file = file_of({"edit": "transplant", "donor": "someone", "to": "right frontal"})
    small = edited(sampled(SEED), {"edit": "resize", "volume_ml": 20}).after
    after = apply_edits(sampled(2, tumour=False), file, lambda name: small).states[-1]
    assert after.volume_ml == pytest.approx(tumour_ml(small), abs=VOXEL_ML)
    assert count_voxels(after.labels).core == pytest.approx(count_voxels(small).core, abs=2)
    with pytest.raises(InputError, match="has no tumour"):
        apply_edits(sampled(2, tumour=False), file, lambda name: sampled(1, tumour=False).labels)


REFUSED = [
    (sampled(1, tumour=False), {"edit": "move", "by_mm": [1, 0, 0]}, ("no tumour", "transplant")),
    (sampled(1, tumour=False), {"edit": "remove"}, ("no tumour",)),
    (sampled(SEED), {"edit": "transplant"}, ("has a tumour", "add_focus")),
    (sampled(SEED), {"edit": "move", "by_mm": [150, 0, 0]}, ("leaves the brain", "nearest that can is by_mm = [")),
    (sampled(SEED), {"edit": "move", "by_mm": [5, 0, 0], "focus": 4}, ("focus: found 4", "that can is focus =")),
    (sampled(SEED), {"edit": "resize", "factor": 90}, ("expected 0.5 to 260 ml", "nearest that can is factor =")),
    (sampled(1, tumour=False), {"edit": "transplant", "at_mm": [0, 0, 150]}, ("leaves the brain", "at_mm = [")),
    (sampled(1, tumour=False), {"edit": "transplant", "to": "left insula", "tumour": {
        "volume_ml": 150, "necrosis": 0.1, "enhancement": 0.2, "oedema": 0.7}}, ("left insula", "only", "ml fit")),
    (sampled(SEED), {"edit": "compose", "necrosis": 0.0001, "enhancement": 0.5, "oedema": 0.4999},
     ("less than one voxel", "the nearest that can is necrosis =")),
]


@pytest.mark.parametrize(("head", "edit", "words"), REFUSED, ids=[row[1]["edit"] + str(k) for k, row in
                                                                  enumerate(REFUSED)])
def test_what_cannot_be_is_refused_with_the_nearest_that_can(head: Head, edit: dict[str, Any],
                                                             words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        edited(head, edit)
    message = str(refused.value)
    assert message.startswith(f"edit 1 ({edit['edit']}): ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_what_is_offered_instead_can_be_made() -> None:
    head = sampled(SEED)
    with pytest.raises(InputError) as refused:
        edited(head, {"edit": "move", "by_mm": [150, 0, 0]})
    numbers = str(refused.value).split("by_mm = [")[1].split("]")[0]
    offered = [float(number) for number in numbers.split(",")]
    after = edited(head, {"edit": "move", "by_mm": offered}).states[-1]
    assert after.volume_ml == pytest.approx(head.volume_ml, abs=VOXEL_ML)


def test_the_unknown_donor_is_refused() -> None:
    with pytest.raises(InputError, match="donor: no 'x'"):
        no_donor("x")
