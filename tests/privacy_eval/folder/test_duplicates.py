"""The same image twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folder_case import group, write_nifti
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from privacy_eval.errors import InputError
from privacy_eval.folder.duplicates import Copy, content_hash, find_duplicates
from privacy_eval.folder.images import read_images


def some(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 1, 4, 4)).astype(np.float32)


SYNTHETIC, MEMBERS, HOLDOUT = some(3, 0), some(3, 1), some(3, 2)
SMALL = arrays(np.float32, (1, 2, 2), elements=st.sampled_from([-1.0, -0.0, 0.0, 1.0]))


def real(members: np.ndarray = MEMBERS, holdout: np.ndarray = HOLDOUT) -> dict:
    return {"members": group("real", members), "holdout": group("held", holdout)}


@given(SMALL, SMALL)
def test_hashes_are_equal_just_where_the_values_are(one: np.ndarray, other: np.ndarray) -> None:
    assert (content_hash(one) == content_hash(other)) is bool((one == other).all())


def test_hashes_see_the_shape_and_not_the_type_or_the_order_in_memory() -> None:
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    assert content_hash(image) != content_hash(image.reshape(1, 4, 2))
    assert content_hash(image) == content_hash(image.astype(np.float16))
    assert content_hash(image) == content_hash(np.asfortranarray(image.astype(">f8")))


def test_different_images_are_neither_copies_nor_warned_of() -> None:
    found = find_duplicates(group("synthetic", SYNTHETIC), real(), group("public", some(2, 3)))
    assert (found.copies, found.warnings) == ((), ())


def test_a_synthetic_image_that_is_a_real_one_is_data_and_no_error() -> None:
    synthetic = np.concatenate([SYNTHETIC, MEMBERS[1:2], HOLDOUT[2:]])
    found = find_duplicates(group("synthetic", synthetic), real())
    assert found.copies == (
        Copy(Path("synthetic/d.png"), Path("real/b.png"), "members", "b.png"),
        Copy(Path("synthetic/e.png"), Path("held/c.png"), "holdout", "c.png"),
    )
    assert found.warnings == ()


def test_one_voxel_less_is_no_copy() -> None:
    synthetic = MEMBERS.copy()
    synthetic[:, 0, 0, 0] = np.nextafter(synthetic[:, 0, 0, 0], np.float32(9))
    assert find_duplicates(group("synthetic", synthetic), real()).copies == ()


@pytest.mark.parametrize("other", ["holdout", "unseen", "reference"])
def test_the_same_image_in_two_groups_breaks_the_split_and_names_both_files(other: str) -> None:
    groups, again = real(), group("again", np.concatenate([some(1, 5), MEMBERS[2:], MEMBERS[:1]]))
    reference = again if other == "reference" else None
    if reference is None:
        groups[other] = again
    with pytest.raises(InputError, match="are the same image and 1 more such pairs") as caught:
        find_duplicates(group("synthetic", SYNTHETIC), groups, reference)
    assert str(caught.value).startswith(f"real/c.png (members) and again/b.png ({other})")
    assert "\n" not in str(caught.value)


def test_one_image_of_two_patients_is_warned_of_and_of_one_patient_is_not() -> None:
    twice = np.concatenate([MEMBERS, MEMBERS[:1]])
    groups = real(twice)
    (warning,) = find_duplicates(group("synthetic", SYNTHETIC), groups).warnings
    assert "1 images repeat another patient's, such as a.png (patient a.png) and d.png (patient d.png)" in warning
    groups["members"] = groups["members"].with_patients(["P1", "P2", "P3", "P1"])
    assert find_duplicates(group("synthetic", SYNTHETIC), groups).warnings == ()


def test_a_release_that_repeats_itself_or_the_reference_is_warned_of() -> None:
    public = some(2, 3)
    synthetic = group("synthetic", np.concatenate([SYNTHETIC, SYNTHETIC[:1], public[:1]]))
    found = find_duplicates(synthetic, real(), group("public", public))
    assert found.copies == ()
    assert found.warnings == (
        "synthetic: 1 synthetic images repeat another, such as a.png and d.png.",
        "synthetic: 1 synthetic images are images of the public reference, such as e.png.",
    )


def test_blank_images_show_nobody() -> None:
    blank = np.zeros((1, 1, 4, 4), np.float32)
    groups = real(np.concatenate([MEMBERS, blank]), np.concatenate([HOLDOUT, blank]))
    found = find_duplicates(group("synthetic", np.concatenate([SYNTHETIC, blank])), groups)
    assert found.copies == ()
    assert found.warnings == tuple(
        f"{folder}: 1 images hold one value throughout, such as d.png." for folder in ("synthetic", "real", "held")
    )


def test_contents_are_compared_and_not_files(tmp_path: Path) -> None:
    image = np.arange(64.0).reshape(4, 4, 4)
    write_nifti(tmp_path / "real" / "a.nii", image)
    write_nifti(tmp_path / "synthetic" / "b.nii.gz", image)
    found = find_duplicates(read_images(tmp_path / "synthetic"), {"members": read_images(tmp_path / "real")})
    assert [(copy.synthetic.name, copy.real.name) for copy in found.copies] == [("b.nii.gz", "a.nii")]
