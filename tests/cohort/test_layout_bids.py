from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_case import INTENSITY, anatomy_at, lps_affine, make_site, make_study, points, write_volume

from fl_components.cohort.check import check_site
from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.layout import find_cases, read_scan, scan_cases
from fl_components.cohort.layout_bids import translate_anatomy
from fl_components.vocabulary import NECROTIC, OEDEMA, TUMOUR
from privacy_eval.errors import InputError

SHAPE = (50, 60, 48)
AFFINE = lps_affine(SHAPE, 3.0, np.array([10.0, -20.0, 30.0]))
LABELS = anatomy_at(points(SHAPE, AFFINE) - np.array([10.0, -20.0, 30.0]))
SUFFIXES = ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR")
TABLE = "index\tname\tabbreviation\n" + "".join(f"{k}\tlabel\t{name}\n" for k, name in enumerate(
    ("BG", "CSF", "GM", "WM", "NCR", "ED", "ET")))


def write_session(root: Path, subject: str, session: str = "", sequences: tuple[int, ...] = (0, 1, 2, 3)) -> Path:
    """The phantom as one BIDS session; returns its folder `anat`."""
    anat = root / subject / session / "anat"
    stem = f"{subject}_{session}" if session else subject
    rng = np.random.default_rng(0)
    for k in sequences:
        image = np.where(LABELS > 0, INTENSITY[k, LABELS] + 15 * rng.standard_normal(SHAPE), 0)
        write_volume(anat / f"{stem}_{SUFFIXES[k]}.nii.gz", image.round().astype(np.int16), AFFINE)
    return anat


def write_dseg(anat: Path, stem: str, labels: np.ndarray, table: Path) -> None:
    write_volume(anat / f"{stem}_dseg.nii.gz", labels.astype(np.uint8), AFFINE)
    table.write_text(TABLE)


def test_sessions_sequences_and_people(tmp_path: Path) -> None:
    write_session(tmp_path, "sub-01", "ses-a")
    write_session(tmp_path, "sub-01", "ses-b", (0, 3))
    write_session(tmp_path, "sub-02", sequences=(0,))
    cases = find_cases(tmp_path, "bids", "none")
    assert [(case.name, case.person, case.missing) for case in cases] == [
        ("sub-01_ses-a", "sub-01", ()), ("sub-01_ses-b", "sub-01", ("T1ce", "T2")),
        ("sub-02", "sub-02", ("T1ce", "T2", "FLAIR"))]
    assert cases[0].images[1] is not None
    assert "ce-gadolinium" in cases[0].images[1].name


def test_the_first_of_several_runs_is_taken(tmp_path: Path) -> None:
    anat = write_session(tmp_path, "sub-01", sequences=(0,))
    plain = anat / "sub-01_T1w.nii.gz"
    (anat / "sub-01_run-10_T1w.nii.gz").write_bytes(plain.read_bytes())
    plain.rename(anat / "sub-01_run-2_T1w.nii.gz")
    (case,) = find_cases(tmp_path, "bids", "none")
    assert case.images[0] == anat / "sub-01_run-2_T1w.nii.gz"


def test_a_whole_anatomy_is_taken_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "data"
    anat = root / "derivatives" / "freesurfer" / "sub-01" / "anat"
    write_session(root, "sub-01")
    write_dseg(anat, "sub-01", LABELS, root / "derivatives" / "freesurfer" / "dseg.tsv")
    site = make_site(tmp_path, dialect=None, layout="bids", tumours="masked")
    (case,) = find_cases(root, "bids", "masked")
    scan = read_scan(case, None)
    np.testing.assert_array_equal(scan.anatomy, LABELS)
    np.testing.assert_array_equal(scan.tumour > 0, np.isin(LABELS, TUMOUR))
    study = make_study()
    (subject,) = prepare_cohort(site, study).subjects("members")
    voxels = (study.grid.spacing_mm / 3.0) ** 3
    for label in range(1, 6):  # majority at 4 mm keeps the volumes nearly as they are
        assert (subject.labels == label).sum() * voxels == pytest.approx(np.equal(LABELS, label).sum(), rel=0.15), label


def test_a_tumour_mask_alone_is_the_tumour(tmp_path: Path) -> None:
    anat = write_session(tmp_path, "sub-01")
    write_dseg(anat, "sub-01", np.where(np.isin(LABELS, TUMOUR), LABELS, 0), anat / "sub-01_dseg.tsv")
    (case,) = find_cases(tmp_path, "bids", "masked")
    scan = read_scan(case, None)
    assert scan.anatomy is None
    assert set(np.unique(scan.tumour)) == {0, NECROTIC, OEDEMA}


def test_the_nearest_fitting_table_applies(tmp_path: Path) -> None:
    anat = write_session(tmp_path, "sub-01")
    write_volume(anat / "sub-01_seg-tumour_dseg.nii.gz", LABELS, AFFINE)
    for name in ("dseg.tsv", "seg-tumour_dseg.tsv", "seg-other_dseg.tsv"):
        (tmp_path / name).write_text(TABLE)
    (case,) = find_cases(tmp_path, "bids", "masked")
    assert case.table == tmp_path / "seg-tumour_dseg.tsv"
    assert case.table in case.files


@pytest.mark.parametrize(("table", "labels", "expected"), [
    ("index\tname\n1\tCSF\n2\tgray matter\n3\twhite matter\n", [0, 1, 2, 3], [0, 1, 2, 3]),
    ("index\tabbreviation\tname\n7\tED\tx\n9\tNCR\tx\n", [0, 7, 9], [0, 5, 4]),
])
def test_values_are_what_the_table_says(tmp_path: Path, table: str, labels: list[int], expected: list[int]) -> None:
    path = tmp_path / "dseg.tsv"
    path.write_text(table)
    np.testing.assert_array_equal(translate_anatomy(np.array(labels), Path("x"), path)[1], expected)


@pytest.mark.parametrize(("table", "labels", "expected"), [
    (TABLE, [0, 1, 2, 3, 42], "value 42 is not in dseg.tsv, expected one of BG, CSF"),
    ("index\tname\n1\tcaudate\n", [1], "value 1 is 'caudate' in dseg.tsv"),
    (TABLE, [0, 1, 3], "labels tissue but has no GM"),
    ("number\tname\n1\tCSF\n", [1], "not a readable dseg.tsv"),
    ("index\tname\none\tCSF\n", [1], "not a readable dseg.tsv"),
])
def test_bad_tables_and_values_are_named(tmp_path: Path, table: str, labels: list[int], expected: str) -> None:
    path = tmp_path / "dseg.tsv"
    path.write_text(table)
    with pytest.raises(InputError, match=expected) as caught:
        translate_anatomy(np.array(labels), tmp_path / "sub-01_dseg.nii.gz", path)
    assert "\n" not in str(caught.value)


def test_what_is_missing_or_twice_is_named(tmp_path: Path) -> None:
    assert "no folders sub-" in scan_cases(tmp_path, "bids", "none")[1][0]
    (tmp_path / "sub-00" / "anat").mkdir(parents=True)
    anat = write_session(tmp_path, "sub-01", sequences=(0,))
    (anat / "sub-01_desc-brain_T1w.nii.gz").write_bytes((anat / "sub-01_T1w.nii.gz").read_bytes())
    write_session(tmp_path, "sub-02")
    anat = write_session(tmp_path, "sub-03")
    write_volume(anat / "sub-03_dseg.nii.gz", LABELS, AFFINE)
    cases, problems = scan_cases(tmp_path, "bids", "masked")
    assert not cases
    assert [expected in problem for expected, problem in zip((
        "no T1w, T2w or FLAIR image", "a second T1 beside", "the tumour mask of sub-02", "no dseg.tsv beside it"),
        problems, strict=True)] == [True] * 4, problems
    assert not any("\n" in problem for problem in problems)


def test_a_site_whose_tumours_are_guessed_gives_anatomies_only(tmp_path: Path) -> None:
    for subject in ("sub-01", "sub-02", "sub-03"):
        write_session(tmp_path / "data", subject)
    site = make_site(tmp_path, dialect=None, layout="bids", tumours="unmasked")
    found = {row.what: row.found for row in check_site(site, make_study()).rows}
    assert found["takes part with"] == "anatomies only: tumours guessed in 3 of 3 scans"
    cohort = prepare_cohort(site, make_study())
    assert Cohort.load_anatomies(site, make_study()) == cohort
    with pytest.raises(InputError, match=r"3 of 3 scans have no tumour mask .* anatomies only") as caught:
        Cohort.load(site, make_study())
    assert "\n" not in str(caught.value)
