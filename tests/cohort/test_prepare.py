from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_case import lps_affine, rewrite, truth_on, write_case
from hypothesis import given
from hypothesis import strategies as st

from fl_components.cohort.labelling import Labels
from fl_components.cohort.layout import read_scan
from fl_components.cohort.prepare import (
    _antialiasing_sigma,
    _resample,
    brain_mask,
    make_subject,
    normalise,
    place_scan,
    prepare_case,
)
from fl_components.study import Grid
from fl_components.vocabulary import ENHANCING, N_LABELS, NECROTIC, OEDEMA
from privacy_eval.errors import InputError

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
CENTRE = np.array([10.0, -20.0, 30.0])


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


def test_phantom_comes_out_where_and_what_it_is(tmp_path: Path) -> None:
    balls = Labels("mixture")  # the labeller knows brains, and a phantom of balls is none
    subject = prepare_case(write_case(tmp_path), "brats2020", GRID, balls)
    truth = truth_on(GRID.shape, GRID.affine)
    assert dice(subject.labels > 0, truth > 0) > 0.98
    for label in np.unique(truth)[1:]:
        assert dice(subject.labels == label, truth == label) > 0.88, label
    assert subject.images.dtype == np.float32
    assert subject.images.min() == 0
    assert subject.images.max() == 1
    assert not subject.images[:, subject.labels == 0].any()
    assert subject.contrast.present.tolist() == [True] * 5 + [False]


def _permuted() -> np.ndarray:
    """Axes S, R, A: stored quite otherwise."""
    affine = np.zeros((4, 4))
    affine[[2, 0, 1, 3], [0, 1, 2, 3]] = [3, 3, 3, 1]
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array((48, 50, 60)) - 1) / 2)
    return affine


def _oblique() -> np.ndarray:
    turn = np.radians(12)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation * [2.5, 3.0, 3.5]
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array((70, 66, 46)) - 1) / 2)
    return affine


@pytest.mark.parametrize(("shape", "affine", "share"), [
    ((48, 50, 60), _permuted(), 0.999),
    ((70, 66, 46), _oblique(), 0.93),
])
def test_storage_axes_do_not_matter(
    tmp_path: Path, shape: tuple[int, int, int], affine: np.ndarray, share: float
) -> None:
    straight = prepare_case(write_case(tmp_path / "a", noise=0), "brats2020", GRID)
    turned = prepare_case(write_case(tmp_path / "b", shape=shape, affine=affine, noise=0), "brats2020", GRID)
    assert (straight.labels == turned.labels).mean() > share


def test_the_origin_of_the_world_does_not_matter(tmp_path: Path) -> None:
    near = prepare_case(write_case(tmp_path / "a"), "brats2020", GRID)
    far = prepare_case(write_case(tmp_path / "b", centre=(110.0, 80.0, -70.0)), "brats2020", GRID)
    np.testing.assert_array_equal(near.labels, far.labels)
    np.testing.assert_allclose(near.images, far.images, atol=1e-4)


def test_a_grid_too_small_cuts_and_says_so(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    scan = read_scan(case, "brats2020")
    assert place_scan(case, scan, GRID).share_outside == 0
    # Through the middle of an ellipsoid, a slab of half its height holds 11/16 of it.
    slab = Grid(shape=(80, 100, 29), spacing_mm=2.0)
    assert place_scan(case, scan, slab).share_outside == pytest.approx(5 / 16, abs=0.03)


def test_downsampling_averages_instead_of_aliasing() -> None:
    checkerboard = (np.indices((48, 48, 48)).sum(axis=0) % 2 * 2.0).astype(np.float32)
    to_source = np.diag([4.0, 4, 4, 1])
    to_source[:3, 3] = 1.5
    mask = np.ones(checkerboard.shape, bool)
    none = np.zeros(mask.shape, np.uint8)
    images, _, brain = _resample(np.stack([checkerboard] * 4), none, mask, to_source, (12, 12, 12))
    np.testing.assert_allclose(images[:, brain], 1, atol=0.02)


def test_the_brains_rim_is_not_darkened() -> None:
    mask = np.zeros((40, 40, 40), bool)
    mask[8:32, 8:32, 8:32] = True
    to_source = np.diag([3.0, 3, 3, 1])
    none = np.zeros(mask.shape, np.uint8)
    images, _, brain = _resample(np.stack([mask * 7.0] * 4), none, mask, to_source, (13, 13, 13))
    np.testing.assert_allclose(images[:, brain], 7, rtol=1e-4)
    assert not images[:, ~brain].any()


def test_labels_are_decided_by_majority() -> None:
    tumour = np.zeros((24, 24, 24), np.uint8)
    tumour[:, :, 8:] = OEDEMA
    tumour[:, :, 15:] = NECROTIC
    tumour[11, 11, 10] = ENHANCING  # one voxel in 64 does not win
    to_source = np.diag([4.0, 4, 4, 1])
    to_source[:3, 3] = 1.5
    _, labels, _ = _resample(np.zeros((4, 24, 24, 24)), tumour, np.ones(tumour.shape, bool), to_source, (6, 6, 6))
    np.testing.assert_array_equal(labels[2, 2], [0, 0, OEDEMA, OEDEMA, NECROTIC, NECROTIC])
    assert set(np.unique(labels)) <= set(range(N_LABELS)) - {ENHANCING}


@given(st.floats(0.5, 6))
def test_antialiasing_widens_the_voxel_to_the_targets(ratio: float) -> None:
    sigma = _antialiasing_sigma(np.diag([ratio, 1.0, 1.0, 1.0]))
    widened = np.sqrt(1 + (sigma * 2.354820045) ** 2)
    np.testing.assert_allclose(widened, [max(ratio, 1), 1, 1], rtol=1e-6)


def test_brain_mask_is_the_brain_alone() -> None:
    axes = np.indices((60, 60, 60)) - 30
    head = np.sqrt((axes**2).sum(axis=0)) < 18
    images = np.where(head, 100.0, 0)[None].repeat(4, axis=0)
    images[:, 30, 30, 30] = 0             # a hole inside
    images[:, 48:58, 30, 30] = 50         # a thread that hangs on
    images[:, 55:60, 27:33, 27:33] = 50   # a piece of skull at its end
    images[:, 2:6, 2:6, 2:6] = 50         # another, apart
    images[0, :, :, 50:] = 3              # rubbish in a single sequence
    images[:, 10, 10, 50] = -4
    mask = brain_mask(images, np.array([1.0, 1.0, 1.0]))
    assert mask[30, 30, 30]
    assert dice(mask, head) > 0.995
    assert not mask[52:].any()


def test_normalisation_is_the_subjects_own_percentile(tmp_path: Path) -> None:
    case = write_case(tmp_path, shape=(12, 12, 12), affine=lps_affine((12, 12, 12), 14, CENTRE))
    brain = np.ones((10, 10, 10), bool)
    brain[0] = False
    ramp = np.arange(1000.0).reshape(10, 10, 10)
    images = normalise(np.stack([ramp, 7 * ramp, ramp, ramp]), brain, case)
    white = np.percentile(ramp[brain], 99.5)
    np.testing.assert_allclose(images[0], np.where(brain, np.minimum(ramp / white, 1), 0), rtol=1e-6)
    np.testing.assert_allclose(images[1], images[0], rtol=1e-6)
    with pytest.raises(InputError, match="T2 is empty"):
        normalise(np.stack([ramp, ramp, 0 * ramp, ramp]), brain, case)


def test_no_brain_and_hardly_any_brain(tmp_path: Path) -> None:
    case = write_case(tmp_path, shape=(12, 12, 12), affine=lps_affine((12, 12, 12), 14, CENTRE))
    scan = read_scan(case, "brats2020")
    with pytest.raises(InputError, match="less than 100 voxels"):
        make_subject(case, scan, Grid(shape=(4, 4, 4), spacing_mm=14))
    for path in (*case.images, case.seg):
        rewrite(path, data=np.zeros((12, 12, 12), np.uint8))
    with pytest.raises(InputError, match="no brain found"):
        prepare_case(case, "brats2020", GRID)
