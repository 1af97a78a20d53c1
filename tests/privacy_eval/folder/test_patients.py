"""Lists of patients, and names that stand for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folder_case import group
from hypothesis import given
from hypothesis import strategies as st

from privacy_eval.errors import InputError
from privacy_eval.folder.images import FolderImages
from privacy_eval.folder.patients import assign_patients, read_patients, shared_names
from privacy_eval.spaces.images import score_of_patients


def rows(n: int) -> np.ndarray:
    return np.arange(n * 4, dtype=np.float32).reshape(n, 1, 2, 2)


def write(folder: Path, text: str) -> Path:
    (folder / "patients.csv").write_text(text, encoding="utf-8")
    return folder / "patients.csv"


def assigned(folder: Path, text: str, **groups: FolderImages) -> dict[str, FolderImages]:
    return assign_patients(read_patients(write(folder, text)), groups)


@pytest.mark.parametrize(
    "text",
    [
        "image,patient\na.png,P1\nb.png,P2\nc.png,P1\n",
        "image\tpatient\na.png\tP1\nb.png\tP2\nc.png\tP1",
        "\ufeffimage,patient\r\na.png,P1\r\n\r\n./b.png, P2\r\nc.png,P1\r\n",
        'patient,age,image\nP1,3,"a.png"\nP2,,b.png\nP1,3,c.png\n',
    ],
)
def test_images_of_one_patient_give_one_score(text: str, tmp_path: Path) -> None:
    members = assigned(tmp_path, text, members=group("real", rows(3)))["members"]
    assert members.patient_ids == ("P1", "P2", "P1")
    assert members.images.n_patients == 2
    np.testing.assert_array_equal(score_of_patients(np.array([1.0, 5.0, 3.0]), members.images.owners), [3, 5])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_rows_share_a_number_just_if_they_share_a_patient(patients: list[int]) -> None:
    grouped = group("real", rows(len(patients)), [f"P{patient}" for patient in patients])
    numbers = grouped.images.owners
    np.testing.assert_array_equal(numbers[:, None] == numbers, np.equal.outer(patients, patients))
    assert set(numbers) == set(range(len(set(patients))))


def test_the_folders_name_tells_images_of_one_name_apart(tmp_path: Path) -> None:
    groups = {"members": group("x/real", rows(1)), "holdout": group("x/holdout", rows(2))}
    text = "image,patient\na.png,P1\nholdout/a.png,P2\nb.png,P2\n"
    both = assigned(tmp_path, text, **groups)
    assert both["members"].patient_ids == ("P1",)
    assert both["holdout"].patient_ids == ("P2", "P2")
    with pytest.raises(InputError, match=r"line 2: 'a\.png' is in members and in holdout; expected one image"):
        assigned(tmp_path, "image,patient\na.png,P1\nb.png,P2\n", **groups)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: found ''; expected the header 'image,patient'"),
        ("a.png,P1\nb.png,P2\n", r"line 1: found 'a\.png,P1'; expected the header"),
        ("image;patient\na.png;P1\n", "line 1: found 'image;patient'"),
        ("image,patient,patient\n", "line 1: found"),
        ("image,patient\na.png,P1,x\n", "line 2: has 3 cells; expected 2"),
        ("image,patient\na.png\n", "line 2: has 1 cells"),
        ("image,patient\na.png,\n", r"line 2: found image 'a\.png' and patient ''"),
        ("image,patient\n\na.png,P1\nb.png,P2\n./a.png,P1\n", r"line 5: 'a\.png' is on line 3 already"),
        ("image,patient\na.png,P1\n", r"b\.png: not in .*patients\.csv; expected a line for every image"),
        ("image,patient\na.png,P1\nb.png,P2\nc.png,P3\n", r"line 4: no image 'c\.png' in any group"),
        ("image,patient\na.png,P1\nreal/a.png,P1\nb.png,P2\n", r"line 2: no image 'a\.png' in any group"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        assigned(tmp_path, text, members=group("real", rows(2)))
    assert "\n" not in str(caught.value)


def test_a_patient_of_two_groups_breaks_the_split(tmp_path: Path) -> None:
    text = "image,patient\nreal/a.png,P1\nholdout/a.png,P2\nreal/b.png,P3\nholdout/b.png,P1\n"
    with pytest.raises(InputError, match=r"line 5: patient 'P1' of 'b\.png' is in holdout, and in members on line 2"):
        assigned(tmp_path, text, members=group("real", rows(2)), holdout=group("holdout", rows(2)))


def test_lists_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_patients(tmp_path / "nowhere.csv")
    (tmp_path / "binary.csv").write_bytes(b"image,patient\n\xff\xfe,1\n")
    with pytest.raises(InputError, match="expected a text file in UTF-8"):
        read_patients(tmp_path / "binary.csv")


def test_bids_patients_in_two_groups_are_warned_of_and_other_names_are_not() -> None:
    groups = {
        "members": group("real", rows(3), ["sub-1", "sub-2", "a.png"]),
        "holdout": group("holdout", rows(3), ["sub-2", "sub-1", "a.png"]),
        "unseen": group("unseen", rows(1), ["sub-9"]),
    }
    (warning,) = shared_names(groups)
    assert warning.startswith("real and holdout (members and holdout) both hold sub-1 and 1 more such names")
