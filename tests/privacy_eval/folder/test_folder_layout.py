"""Which files make an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from privacy_eval.errors import InputError
from privacy_eval.folder.layout import bids_patient, find_entries


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, *patterns: str) -> dict[str, list[str]]:
    return {entry.name: [path.name for path in entry.files] for entry in find_entries(folder, patterns)}


def test_files_and_sub_folders_are_images_in_the_order_of_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "c.nii.gz", "a.NII", "b/deep/2.nii", "b/1.nii", "README.md", "empty/notes.txt", ".hidden.nii")
    assert found(tmp_path) == {"a.NII": ["a.NII"], "b": ["1.nii", "2.nii"], "c.nii.gz": ["c.nii.gz"]}


def test_each_session_is_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/ses-b/anat/sub-1_ses-b_T1w.nii", "sub-1/ses-a/anat/sub-1_ses-a_T1w.nii")
    touch(tmp_path, "sub-2/anat/sub-2_T1w.nii", "sub-1/ses-c/README")
    assert list(found(tmp_path)) == ["sub-1/ses-a", "sub-1/ses-b", "sub-2"]
    touch(tmp_path, "sub-1/sub-1_T1w.nii")
    with pytest.raises(InputError, match=r"sub-1_T1w\.nii: lies beside ses-a"):
        find_entries(tmp_path)


def test_hidden_files_of_sub_folders_are_left_out(tmp_path: Path) -> None:
    assert found(touch(tmp_path, "s/1.png", "s/._1.png", "s/.cache/2.png", ".cache/3.png")) == {"s": ["1.png"]}


def test_label_maps_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "a_mask.nii", "b.nii", "b_SEG.nii.gz", "b_dseg.nii", "c.nii", "c_probseg.nii", "mask.nii")
    labels = {entry.name: entry.labels and entry.labels.name for entry in find_entries(tmp_path)}
    assert labels == {"a.nii": "a_mask.nii", "b.nii": "b_dseg.nii", "c.nii": None, "mask.nii": None}


def test_bids_label_maps_stand_for_the_sequence_beside_them(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1_T1w.nii", "sub-1_dseg.nii", "img_1.nii", "img_mask.nii")
    labels = {entry.name: entry.labels and entry.labels.name for entry in find_entries(tmp_path)}
    assert labels == {"sub-1_T1w.nii": "sub-1_dseg.nii", "img_1.nii": None}


def test_png_label_maps_are_neither_images_nor_read(tmp_path: Path) -> None:
    (entry,) = find_entries(touch(tmp_path, "a.png", "a_mask.png"))
    assert (entry.name, entry.labels) == ("a.png", None)


def test_patterns_choose_and_order_the_sequences(tmp_path: Path) -> None:
    touch(tmp_path, "s/x_t1.nii", "s/x_t2.nii", "s/x_flair.nii")
    assert found(tmp_path, "*_t2.nii", "*_t1.nii") == {"s": ["x_t2.nii", "x_t1.nii"]}
    with pytest.raises(InputError, match=r"0 files match '\*_t1ce\.nii'"):
        find_entries(tmp_path, ["*_t1ce.nii"])
    with pytest.raises(InputError, match=r"2 files match '\*_t\?\.nii'"):
        find_entries(tmp_path, ["*_t?.nii"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "holds no NIfTI or PNG image"),
        (("notes.txt", "a_mask.nii"), "holds no NIfTI or PNG image"),
        (("a.nii", "b.png"), r"b\.png: is PNG, a\.nii is NIfTI; expected one kind"),
        (("s/a.nii", "s/b.png"), r"b\.png: is PNG, a\.nii is NIfTI; expected one kind"),
        (("a.png", "b.JPG"), r"b\.JPG: is neither NIfTI nor PNG"),
        (("s/a.dcm",), r"a\.dcm: is neither NIfTI nor PNG"),
        (("s/a.nii", "s/a_seg.nii", "s/b_seg.nii"), r"label maps a_seg\.nii and b_seg\.nii; expected one"),
        (("sub-1/sub-1_T1w.nii", "sub-2/sub-2_FLAIR.nii"), "holds the sequences flair; expected t1w as in sub-1"),
    ],
)
def test_folders_that_cannot_be_meant_are_refused_in_one_line(names, message: str, tmp_path: Path) -> None:  # noqa: ANN001
    with pytest.raises(InputError, match=message) as caught:
        find_entries(touch(tmp_path, *names))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_entries(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("sub-01", "sub-01"),
        ("sub-01.nii.gz", "sub-01"),
        ("sub-01/ses-2", "sub-01"),
        ("sub-A1_ses-2_T1w.nii", "sub-A1"),
        ("sub-01-left.nii", None),
        ("my_sub-01.nii", None),
        ("sub-.nii", None),
        ("subject-01.nii", None),
    ],
)
def test_only_bids_names_name_a_patient(name: str, patient: str | None) -> None:
    assert bids_patient(name) == patient
