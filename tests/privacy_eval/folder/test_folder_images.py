"""Folders of images, read whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from folder_case import AFFINE, ANATOMY, write_nifti, write_png, write_subjects
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from privacy_eval.errors import InputError
from privacy_eval.folder.images import check_same_grid, read_images

REAL = Path(__file__).parents[4] / "shared" / "data" / "tcga-lgg"
VALUES = st.floats(-1e6, 1e6, width=32)


def images(n: int, seed: int = 0, grid: tuple[int, ...] = (4, 4, 4)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2, *grid)).astype(np.float32)


@settings(max_examples=25)
@given(st.tuples(st.integers(1, 3), st.just(2), *[st.integers(2, 4)] * 3).flatmap(
    lambda shape: arrays(np.float32, shape, elements=VALUES)
))  # fmt: skip
def test_nifti_comes_back_as_written_from_folders_or_files(written: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        below = read_images(write_subjects(Path(folder) / "below", written))
        for row, image in enumerate(written):
            write_nifti(Path(folder) / "flat" / f"{row}.nii.gz", np.moveaxis(image, 0, -1))
        flat = read_images(Path(folder) / "flat")
    for read in (below, flat):
        np.testing.assert_array_equal(read.images.images, written)
        np.testing.assert_allclose(read.affine, AFFINE)


@settings(max_examples=25)
@given(st.tuples(st.integers(1, 4), st.just(2), *[st.integers(1, 5)] * 2).flatmap(
    lambda shape: arrays(np.uint8, shape)
))  # fmt: skip
def test_png_comes_back_as_written_from_folders_or_files(written: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for row, image in enumerate(written):
            write_png(Path(folder) / "flat" / f"{row}.png", image[0])
            for channel, pixels in enumerate(image):
                write_png(Path(folder) / "below" / str(row) / f"{channel}.png", pixels)
        flat, below = read_images(Path(folder) / "flat"), read_images(Path(folder) / "below")
    np.testing.assert_allclose(below.images.images, written / 255, rtol=1e-6)
    np.testing.assert_array_equal(flat.images.images, below.images.images[:, :1])
    assert flat.affine is None


def test_rows_know_their_names_files_and_patients(tmp_path: Path) -> None:
    for name in ("sub-1/ses-a", "sub-1/ses-b", "sub-2"):
        for sequence in ("T1w", "T2w"):
            write_nifti(tmp_path / name / f"{name.replace('/', '_')}_{sequence}.nii", np.ones((2, 2, 2)))
    write_nifti(tmp_path / "x.nii", np.ones((2, 2, 2, 2)))
    read = read_images(tmp_path)
    assert len(read) == 4
    assert read.names == ("sub-1/ses-a", "sub-1/ses-b", "sub-2", "x.nii")
    assert read.patient_ids == ("sub-1", "sub-1", "sub-2", "x.nii")
    assert read.images.owners.tolist() == [0, 0, 1, 2]
    assert read.images.n_patients == 3
    assert [[path.name for path in files] for files in read.files][2:] == [
        ["sub-2_T1w.nii", "sub-2_T2w.nii"],
        ["x.nii"],
    ]


def test_patterns_order_the_sequences(tmp_path: Path) -> None:
    written = images(2)
    read = read_images(write_subjects(tmp_path, written), ["*_T2w.nii.gz", "*_T1w.nii.gz"])
    np.testing.assert_array_equal(read.images.images, written[:, ::-1])


def test_colours_are_channels_and_slices_have_two_axes(tmp_path: Path) -> None:
    write_png(tmp_path / "colour" / "a.png", np.zeros((5, 7, 3), np.uint8))
    write_nifti(tmp_path / "slice" / "a.nii", np.ones((5, 7, 1)))
    assert read_images(tmp_path / "colour").images.images.shape == (1, 3, 5, 7)
    assert read_images(tmp_path / "slice").images.images.shape == (1, 1, 5, 7)


def test_label_maps_travel_along_if_everyone_has_one(tmp_path: Path) -> None:
    anatomies = np.stack([ANATOMY, ANATOMY[::-1]])
    read = read_images(write_subjects(tmp_path, images(2), anatomies))
    assert read.images.labels is not None
    np.testing.assert_array_equal(read.images.labels, anatomies)
    assert read.notes == ()
    next(tmp_path.glob("sub-001/anat/*_dseg.nii.gz")).unlink()
    read = read_images(tmp_path)
    assert read.images.labels is None
    assert read.notes == (f"{tmp_path}: label maps of 1 of 2 images are not used; all need one.",)


@pytest.mark.parametrize(
    ("values", "used"),
    [
        ([0], False),           # says nothing
        ([0, 1], False),        # a mask of ones
        ([0, 1, 2, 4], False),  # BraTS, enhancing tumour 4
        ([0, 1, 2, 3], True),
        ([0, 4, 5], True),      # tumours alone
    ],
)  # fmt: skip
def test_label_maps_that_cannot_be_anatomies_are_not_used(values: list[int], used: bool, tmp_path: Path) -> None:
    labels = np.resize(values, (1, 4, 4, 4))
    read = read_images(write_subjects(tmp_path, images(1), labels))
    assert (read.images.labels is not None) is used
    assert len(read.notes) == (not used)
    if not used:
        assert f"their values {values} are no anatomy" in read.notes[0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((4, 4, 4), 7), "holds the label 7; expected 0 background, 1 CSF"),
        (np.full((4, 4, 4), -1), "holds the label -1"),
        (np.full((4, 4, 4), 0.5), r"holds the label 0\.5"),
        (np.zeros((4, 4, 3)), r"label map of shape \(4, 4, 3\); expected \(4, 4, 4\)"),
        (np.zeros((4, 4, 4, 2)), "label map of shape"),
    ],
)
def test_label_maps_with_other_values_are_refused(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", np.ones((4, 4, 4)))
    write_nifti(tmp_path / "a_seg.nii", labels)
    with pytest.raises(InputError, match=message) as caught:
        read_images(tmp_path)
    assert "a_seg.nii" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_maps_on_another_grid_are_refused(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", np.ones((4, 4, 4)))
    write_nifti(tmp_path / "a_mask.nii", np.ones((4, 4, 4)), 2 * AFFINE)
    with pytest.raises(InputError, match=r"a_mask\.nii: its affine"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "b.nii.gz").write_bytes(b"no gzip"), r"b\.nii\.gz: cannot be read as NIfTI"),
        (lambda folder: write_nifti(folder / "b.nii.gz", np.ones((4, 4, 3))), r"b\.nii\.gz: this image has shape"),
        (lambda folder: write_nifti(folder / "b.nii.gz", np.ones((4, 4, 4, 2))), r"expected \(1, 4, 4, 4\) as a\.nii"),
        (lambda folder: write_nifti(folder / "b.nii.gz", np.full((4, 4, 4), np.nan)), "not finite"),
        (lambda folder: write_nifti(folder / "b.nii.gz", np.ones((4, 4, 4)), 2 * AFFINE), "another grid"),
        (lambda folder: write_png(folder / "b.png", np.zeros((4, 4), np.uint8)), "expected one kind"),
    ],
)
def test_an_image_that_does_not_fit_is_named_in_one_line(spoil, message: str, tmp_path: Path) -> None:  # noqa: ANN001
    write_nifti(tmp_path / "a.nii.gz", np.ones((4, 4, 4)))
    spoil(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_images(tmp_path)
    assert "\n" not in str(caught.value)


def test_sequences_of_one_subject_share_a_shape(tmp_path: Path) -> None:
    write_png(tmp_path / "s" / "1.png", np.zeros((4, 4), np.uint8))
    write_png(tmp_path / "s" / "2.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match=r"s: sequences of different shapes \[\(4, 4\), \(4, 5\)\]"):
        read_images(tmp_path)


def test_folders_to_compare_share_kind_shape_and_grid(tmp_path: Path) -> None:
    first = read_images(write_subjects(tmp_path / "first", images(2)))
    alike = read_images(write_subjects(tmp_path / "alike", images(3, seed=1)))
    assert check_same_grid(first, alike) is None
    other = read_images(write_subjects(tmp_path / "other", images(1, grid=(4, 4, 3))))
    with pytest.raises(InputError, match=r"other: images of shape \(2, 4, 4, 3\); expected \(2, 4, 4, 4\) as in"):
        check_same_grid(first, other)
    write_nifti(tmp_path / "moved" / "a.nii", np.ones((4, 4, 4, 2)), 2 * AFFINE)
    with pytest.raises(InputError, match="moved: its affine puts it on another grid"):
        check_same_grid(first, read_images(tmp_path / "moved"))
    write_png(tmp_path / "png" / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="png: holds PNG; expected NIfTI as in"):
        check_same_grid(first, read_images(tmp_path / "png"))


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real patient is not here")
def test_a_real_patient_is_read_and_the_brats_labels_are_not_taken_for_tissues() -> None:
    read = read_images(REAL, ["*_t1.nii.gz", "*_t1ce.nii.gz", "*_t2.nii.gz", "*_flair.nii.gz"])
    assert read.names == ("TCGA-DU-7294",)
    assert read.images.images.shape[:2] == (1, 4)
    assert read.images.labels is None
    assert "values [0, 1, 2] are no anatomy" in read.notes[0]
