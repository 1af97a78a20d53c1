from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brats_case import BRATS, lps_affine, rewrite, write_case, write_volume

from fl_components.cohort.case import Case
from fl_components.cohort.layout import find_cases, read_scan, scan_cases, translate_labels
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA
from privacy_eval.errors import InputError

SMALL = (12, 12, 12)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return write_case(tmp_path, shape=SMALL, affine=lps_affine(SMALL, 14.0, np.array([10.0, -20.0, 30.0])))


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_flat_and_grouped_cases_are_found_sorted(tmp_path: Path) -> None:
    for name in ("b", "HGG/c", "LGG/a"):
        folder = tmp_path / name
        write_case(folder.parent, folder.name, shape=SMALL)
    assert [case.name for case in find_cases(tmp_path)] == ["a", "b", "c"]


def test_files_are_in_the_order_of_the_sequences(case: Case) -> None:
    assert [path.name.removeprefix("case1_") for path in case.files] == [
        "t1.nii.gz", "t1ce.nii.gz", "t2.nii.gz", "flair.nii.gz", "seg.nii.gz"]


def test_uncompressed_files_are_read(case: Case) -> None:
    packed = case.images[2]
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    compressed = read_scan(case, "brats2020")
    packed.unlink()
    (plain,) = find_cases(case.seg.parent.parent)
    assert plain.images[2].suffix == ".nii"
    np.testing.assert_array_equal(read_scan(plain, "brats2020").images, compressed.images)


@pytest.mark.parametrize(("spoil", "expected"), [
    (lambda case: case.images[1].unlink(), "case1_t1ce.nii.gz: no such file"),
    (lambda case: case.seg.unlink(), "tumour mask"),
    (lambda case: case.seg.with_suffix("").write_bytes(b""), "twice"),
    (lambda case: (case.seg.parent.parent / "empty").mkdir(), "empty_t1.nii.gz: no such file"),
    (lambda case: shutil.copytree(case.seg.parent, case.seg.parent.parent / "HGG" / "case1"), "a second case named"),
])
def test_incomplete_folders_are_named(case: Case, spoil: object, expected: str) -> None:
    root = case.seg.parent.parent
    spoil(case)  # type: ignore[operator]
    with pytest.raises(InputError, match=expected) as error:
        find_cases(root)
    one_line(error)


def test_missing_root_and_no_cases(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_cases(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no cases"):
        find_cases(tmp_path)


def test_every_problem_is_listed_beside_the_usable_cases(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_case(tmp_path, name, shape=SMALL)
    (tmp_path / "a" / "a_t1.nii.gz").unlink()
    (tmp_path / "c" / "c_t2.nii.gz").unlink()
    cases, problems = scan_cases(tmp_path)
    assert [case.name for case in cases] == ["b"]
    assert len(problems) == 2


def test_scan_holds_what_was_written(case: Case) -> None:
    scan = read_scan(case, "brats2020")
    for stored, path in zip(scan.images, case.images, strict=True):
        np.testing.assert_array_equal(stored, np.asarray(nib.load(path).dataobj))
    np.testing.assert_array_equal(BRATS[scan.tumour], scan.values)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # in the checksum: every voxel still reads
    path.write_bytes(bytes(content))


def _diverge(path: Path) -> None:
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 5
    image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    image.set_sform(image.affine, 1)
    image.set_qform(moved, 1)
    nib.save(image, path)


def _uncode(path: Path) -> None:
    image = nib.load(path)
    image = nib.Nifti1Image(np.asarray(image.dataobj), None, image.header)
    image.header["qform_code"] = image.header["sform_code"] = 0
    nib.save(image, path)


def _value(path: Path, value: float) -> None:
    data = np.asarray(nib.load(path).dataobj).astype(np.float32)
    data[3, 3, 3] = value
    rewrite(path, data=data)


def _move(path: Path, millimetres: float) -> None:
    affine = nib.load(path).affine.copy()
    affine[1, 3] += millimetres
    rewrite(path, affine=affine)


@pytest.mark.parametrize(("spoil", "expected"), [
    (lambda case: _truncate(case.images[0]), "t1.nii.gz: not a readable NIfTI"),
    (lambda case: _flip_a_byte(case.images[3]), "flair.nii.gz: not a readable NIfTI"),
    (lambda case: case.images[2].write_bytes(b"no gzip"), "t2.nii.gz: not a readable NIfTI"),
    (lambda case: _diverge(case.images[0]), "sform and qform"),
    (lambda case: _uncode(case.images[0]), "neither sform nor qform"),
    (lambda case: _value(case.images[1], np.nan), "t1ce.nii.gz: holds values that are not finite"),
    (lambda case: _value(case.seg, 0.5), "seg.nii.gz: label value 0.5 .* expected 0, 1, 2, 4"),
    (lambda case: _value(case.seg, 3), "seg.nii.gz: label value 3 .* 'brats2020'"),
    (lambda case: _value(case.seg, np.nan), "seg.nii.gz: label value nan"),
    (lambda case: _move(case.seg, 5.0), "seg.nii.gz: its affine"),
    (lambda case: rewrite(case.seg, data=np.zeros((12, 12, 11), np.uint8)), r"seg.nii.gz: shape \(12, 12, 11\)"),
    (lambda case: write_volume(case.images[0], np.zeros((12, 12, 12, 2)), np.eye(4)), "t1.nii.gz: 4 dimensions"),
])
def test_bad_files_are_named(case: Case, spoil: object, expected: str) -> None:
    spoil(case)  # type: ignore[operator]
    with pytest.raises(InputError, match=expected) as error:
        read_scan(case, "brats2020")
    one_line(error)


def test_a_hair_of_an_affine_is_no_mismatch(case: Case) -> None:
    _move(case.seg, 0.5)  # voxels are 14 mm
    assert read_scan(case, "brats2020").tumour.shape == SMALL


def test_dialects() -> None:
    path = Path("seg.nii.gz")
    np.testing.assert_array_equal(translate_labels(np.array([0, 1, 2, 4]), "brats2020", path)[1],
                                  [0, NECROTIC, OEDEMA, ENHANCING])
    np.testing.assert_array_equal(translate_labels(np.array([0, 1, 2, 3]), "brats2023", path)[1],
                                  [0, NECROTIC, OEDEMA, ENHANCING])
    with pytest.raises(InputError, match="value 4 is not in dialect 'brats2023'"):
        translate_labels(np.array([4]), "brats2023", path)


@pytest.mark.parametrize("linked", ["folder", "file"])
def test_a_case_that_links_out_of_the_data_root_is_refused(tmp_path: Path, linked: str) -> None:
    """Another folder's scans must not come in by a link that somebody left in the data."""
    inside = write_case(tmp_path / "root", "mine", shape=SMALL)
    outside = write_case(tmp_path / "private", "case2", shape=SMALL)
    if linked == "folder":
        (tmp_path / "root/case2").symlink_to(outside.seg.parent)
    else:
        inside.seg.unlink()
        inside.seg.symlink_to(outside.seg)
    cases, problems = scan_cases(tmp_path / "root")
    assert [case.name for case in cases] == (["mine"] if linked == "folder" else [])
    (problem,) = problems
    assert "a symbolic link out of data.root" in problem
    with pytest.raises(InputError, match="symbolic link"):
        find_cases(tmp_path / "root")
