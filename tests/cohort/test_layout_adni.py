from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_case import INTENSITY, anatomy_at, lps_affine, make_site, make_study, points, write_volume

from fl_components.cohort.check import check_site
from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.layout import find_cases, read_scan, scan_cases
from privacy_eval.errors import InputError

STUDY = make_study()
DESCRIPTION = "MPR__GradWarp__B1_Correction__N3"


def write_visit(root: Path, subject: str, day: str, image: str, seed: int = 0, suffix: str = ".nii") -> Path:
    """A healthy phantom's T1 where ADNI's download puts it."""
    shape = (50, 60, 48)
    affine = lps_affine(shape, 3.0, np.array([0.0, 0.0, 0.0]))
    labels = np.minimum(anatomy_at(points(shape, affine)), 3)  # its tumour becomes white matter
    noise = 15 * np.random.default_rng(seed).standard_normal(shape)
    data = np.where(labels > 0, INTENSITY[0, labels] + noise, 0).round().astype(np.int16)
    folder = root / "ADNI" / subject / DESCRIPTION / f"{day}_08_20_30.0" / image
    path = folder / f"ADNI_{subject}_MR_{DESCRIPTION}_Br_20070101_{image}{suffix}"
    write_volume(path, data, affine)
    return path


def write_people(root: Path) -> None:
    write_visit(root, "002_S_0295", "2006-04-18", "I118671", 1)
    write_visit(root, "002_S_0295", "2007-05-25", "I123685", 2, ".nii.gz")
    write_visit(root, "003_S_0907", "2006-09-11", "I119743", 3)
    write_visit(root, "005_S_0553", "2006-05-03", "I119999", 4)


def test_visits_are_scans_and_belong_to_their_person(tmp_path: Path) -> None:
    write_people(tmp_path)
    cases = find_cases(tmp_path, "adni", "none")
    assert [case.name for case in cases] == ["002_S_0295_2006-04-18_I118671", "002_S_0295_2007-05-25_I123685",
                                             "003_S_0907_2006-09-11_I119743", "005_S_0553_2006-05-03_I119999"]
    assert [case.person for case in cases] == ["002_S_0295", "002_S_0295", "003_S_0907", "005_S_0553"]
    assert cases[0].missing == ("T1ce", "T2", "FLAIR")
    assert find_cases(tmp_path / "ADNI", "adni", "none") == cases
    scan = read_scan(cases[0], None)
    assert scan.available.tolist() == [True, False, False, False]
    assert scan.images[0].max() > 0
    assert not scan.images[1:].any()


def test_a_healthy_site_gives_anatomies_and_is_split_by_person(tmp_path: Path) -> None:
    write_people(tmp_path / "data")
    site = make_site(tmp_path, dialect=None, layout="adni")
    check = check_site(site, STUDY)
    assert check.usable, check.problems
    found = {row.what: row.found for row in check.rows}
    assert found["takes part with"] == "anatomies only: T1ce, T2, FLAIR missing in 4 of 4 scans"
    assert found["people"] == "3 with 4 scans"
    assert "tumour volume" not in found
    cohort = prepare_cohort(site, STUDY)
    assert sorted(cohort.split.subjects) == ["002_S_0295", "003_S_0907", "005_S_0553"]
    anatomies = list(cohort.anatomies())
    assert [subject.name for subject in anatomies] == [case.name for case in find_cases(tmp_path / "data", "adni")]
    for subject in anatomies:
        assert set(np.unique(subject.labels)) == {0, 1, 2, 3}
        assert subject.available.tolist() == [True, False, False, False]
    assert [path.stem for path in cohort.paths("members")] == [
        next(subject.name for subject in anatomies if subject.name.startswith(name)) for name in cohort.split.members]
    assert Cohort.load_anatomies(site, STUDY) == cohort
    with pytest.raises(InputError, match=r"4 of 4 scans lack a sequence .* anatomies only") as caught:
        Cohort.load(site, STUDY)
    assert "\n" not in str(caught.value)


def _rename(path: Path, level: int, name: str) -> None:
    folder = path.parents[level]
    folder.rename(folder.with_name(name))


@pytest.mark.parametrize(("spoil", "expected"), [
    (lambda path: path.rename(path.with_suffix(".dcm")), r"I118671: no .nii or .nii.gz file \(found .dcm\)"),
    (lambda path: path.unlink(), r"no .nii or .nii.gz file \(found nothing\)"),
    (lambda path: path.with_name("second.nii").write_bytes(b""), "a second file beside"),
    (lambda path: _rename(path, 3, "person7"), "not laid out as ADNI's downloads"),
    (lambda path: _rename(path, 1, "18 April"), "not laid out as ADNI's downloads"),
    (lambda path: _rename(path, 0, "scan"), "not laid out as ADNI's downloads"),
    (lambda path: (path.parents[4] / "004_S_0001").mkdir(), "004_S_0001: not laid out as ADNI's downloads"),
])
def test_what_is_not_a_download_is_named(tmp_path: Path, spoil: object, expected: str) -> None:
    spoil(write_visit(tmp_path, "002_S_0295", "2006-04-18", "I118671"))  # type: ignore[operator]
    with pytest.raises(InputError, match=expected) as caught:
        find_cases(tmp_path, "adni", "none")
    assert "\n" not in str(caught.value)


def test_an_empty_download_and_a_head_with_its_skull(tmp_path: Path) -> None:
    assert "no images; expected" in scan_cases(tmp_path, "adni", "none")[1][0]
    path = write_visit(tmp_path / "data", "002_S_0295", "2006-04-18", "I118671")
    shape = (90, 90, 90)
    write_volume(path, np.full(shape, 50, np.int16), lps_affine(shape, 2.0, np.zeros(3)))
    (problem,) = check_site(make_site(tmp_path, dialect=None, layout="adni"), STUDY).problems
    assert "5832 ml are brighter than 0" in problem
    assert "strip the skull" in problem
