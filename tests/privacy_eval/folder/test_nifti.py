"""NIfTI files as arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from folder_case import AFFINE, write_nifti
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from privacy_eval.errors import InputError
from privacy_eval.folder.nifti import check_affine, read_nifti

ORIENTATIONS = st.permutations([0, 1, 2]).flatmap(
    lambda axes: st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3).map(lambda signs: np.eye(3)[list(axes)] * signs)
)


@settings(max_examples=30)
@given(
    data=st.tuples(*[st.integers(2, 5)] * 3, st.integers(1, 3)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32))
    ),
    turn=ORIENTATIONS,
    ending=st.sampled_from([".nii", ".nii.gz"]),
)
def test_every_orientation_comes_back_in_ras_with_sequences_first(
    data: np.ndarray, turn: np.ndarray, ending: str
) -> None:
    """The world position of every voxel is kept: looked up by it, the value is the one stored."""
    affine = np.eye(4)
    affine[:3, :3] = 2 * turn
    affine[:3, 3] = (5, -3, 8)
    with tempfile.TemporaryDirectory() as folder:
        read, turned = read_nifti(write_nifti(Path(folder) / f"a{ending}", data, affine))
    np.testing.assert_allclose(turned[:3, :3], 2 * np.eye(3), atol=1e-6)
    stored = np.stack(np.meshgrid(*map(np.arange, data.shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    world = stored @ affine[:3, :3].T + affine[:3, 3]
    x, y, z = np.rint((world - turned[:3, 3]) / 2).astype(int).T
    np.testing.assert_array_equal(read[:, x, y, z].T, data.reshape(-1, data.shape[3]))


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 1, 4), (1, 5, 4)])
def test_a_slice_is_two_dimensional_wherever_its_flat_axis_is(shape: tuple[int, ...], tmp_path: Path) -> None:
    data = np.arange(20.0).reshape(shape)
    read, _ = read_nifti(write_nifti(tmp_path / "a.nii", data))
    np.testing.assert_array_equal(read, data.reshape(1, 5, 4))


def test_slices_of_several_sequences_keep_them_first(tmp_path: Path) -> None:
    data = np.arange(40.0).reshape(5, 4, 1, 2)
    read, _ = read_nifti(write_nifti(tmp_path / "a.nii", data))
    np.testing.assert_array_equal(read, np.moveaxis(data[:, :, 0], -1, 0))


def test_slices_cut_at_different_heights_share_a_grid(tmp_path: Path) -> None:
    heights = []
    for height in (0.0, 40.0):
        affine = AFFINE.copy()
        affine[2, 2:] = (5 + height, height)
        heights.append(read_nifti(write_nifti(tmp_path / "a.nii", np.ones((5, 4, 1)), affine))[1])
    check_affine(tmp_path, heights[1], heights[0])
    np.testing.assert_allclose(heights[1], heights[0])
    np.testing.assert_allclose(heights[0], np.diag([2, 2, 1, 1]))


def test_scaled_integers_are_read_in_their_units(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), AFFINE)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "a.nii")
    stored = nib.load(tmp_path / "a.nii").get_fdata()
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii")[0][0], stored)


def _truncated(path: Path) -> None:
    whole = write_nifti(path, np.random.default_rng(0).random((8, 8, 8))).read_bytes()
    path.write_bytes(whole[:300])


def _colours(path: Path) -> None:
    colours = np.zeros((2, 2, 2), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nib.save(nib.Nifti1Image(colours, AFFINE), path)


def _nowhere(path: Path) -> None:
    image = nib.Nifti1Image(np.ones((2, 2, 2), np.float32), AFFINE)
    image.header.set_sform(np.zeros((4, 4)), code=2)
    image.to_filename(path)
    data = bytearray(path.read_bytes())
    data[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncated, "cannot be read as NIfTI"),
        (lambda path: path.write_bytes(b"no image"), "cannot be read as NIfTI"),
        (lambda path: path.write_bytes(b""), "cannot be read as NIfTI"),
        (_colours, "expected real numbers"),
        (lambda path: nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.complex64), AFFINE), path), "real numbers"),
        (_nowhere, "its affine maps voxels nowhere"),
        (lambda path: write_nifti(path, np.ones((2, 2, 2, 2, 2))), "has 5 dimensions"),
        (lambda path: write_nifti(path, np.ones(8)), "has 1 dimensions"),
        (lambda path: write_nifti(path, np.ones((8, 1, 1))), "more than a line of voxels"),
        (lambda path: write_nifti(path, np.ones((8, 1))), "more than a line of voxels"),
        (lambda path: write_nifti(path, np.full((2, 2, 2), np.nan)), "not finite"),
        (lambda path: write_nifti(path, np.full((2, 2, 2), np.inf)), "not finite"),
    ],
)
def test_files_that_are_no_image_are_named_in_one_line(spoil, message: str, tmp_path: Path) -> None:  # noqa: ANN001
    spoil(tmp_path / "bad.nii")
    with pytest.raises(InputError, match=message) as caught:
        read_nifti(tmp_path / "bad.nii")
    assert "bad.nii" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(cut=st.integers(0, 700), place=st.integers(0, 599), value=st.integers(0, 255))
def test_damage_never_ends_in_another_error(cut: int, place: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_nifti(Path(folder) / "a.nii", np.arange(64.0).reshape(4, 4, 4))
        data = bytearray(path.read_bytes())
        data[place] = value
        path.write_bytes(data[:cut] if cut < 600 else data)
        try:
            read, affine = read_nifti(path)
        except InputError as error:
            assert "a.nii" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(read).all()
            assert np.isfinite(affine).all()


@pytest.mark.parametrize(
    ("change", "refused"),
    [((0, 3, 0.9), False), ((0, 3, 1.1), True), ((1, 1, 0.15), False), ((1, 1, 0.25), True), ((0, 1, 0.25), True)],
)
def test_grids_may_differ_by_half_a_voxel_and_a_tenth_in_size(change: tuple[int, int, float], refused: bool) -> None:
    found = AFFINE.copy()
    found[change[:2]] += change[2]
    if refused:
        with pytest.raises(InputError, match="on another grid"):
            check_affine(Path("here"), found, AFFINE)
    else:
        assert check_affine(Path("here"), found, AFFINE) is None
