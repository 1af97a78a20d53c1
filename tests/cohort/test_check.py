from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brats_case import make_site, make_study, rewrite, write_case

from fl_components.cohort.check import CohortCheck, check_site
from fl_components.cohort.cohort import prepare_cohort

STUDY = make_study()


def row(check: CohortCheck, what: str) -> tuple[str, bool]:
    (found,) = [row for row in check.rows if row.what == what]
    return found.found, found.ok


def test_a_good_site(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_case(tmp_path / "data", name)
    site = make_site(tmp_path)
    check = check_site(site, STUDY)
    assert check.usable
    assert row(check, "usable cases") == ("2 of 2", True)
    assert row(check, "axes") == ("LPS (2)", True)
    assert row(check, "shapes") == ("50×60×48 (2)", True)
    assert row(check, "label values") == ("0, 1, 2", True)
    assert row(check, "subjects in members") == ("1", False)
    assert row(check, "subjects in holdout") == ("1", False)
    assert json.loads(check.model_dump_json())["cases"][0]["name"] == "a"
    assert not (site.state / "cohort" / "split.json").exists()


def test_the_phantoms_volumes_come_out(tmp_path: Path) -> None:
    write_case(tmp_path / "data", "a")
    (case,) = check_site(make_site(tmp_path), STUDY).cases
    ball = 4 / 3 * np.pi / 1000
    assert case.brain_ml == pytest.approx(ball * 62 * 78 * 58, rel=0.02)
    assert case.tumour_ml == pytest.approx(ball * 19**3, rel=0.05)
    assert case.spacing_mm == (3, 3, 3)
    assert sum(case.tissue_shares) == pytest.approx(1)
    assert case.share_outside == 0


def test_bad_cases_are_listed_and_the_others_examined(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_case(tmp_path / "data", name)
    (tmp_path / "data" / "a" / "a_t1.nii.gz").unlink()
    (tmp_path / "data" / "b" / "b_flair.nii.gz").write_bytes(b"broken")
    told: list[int] = []
    check = check_site(make_site(tmp_path), STUDY, on_done=lambda done, total: told.append(total))
    assert not check.usable
    assert [case.name for case in check.cases] == ["c"]
    assert "a_t1.nii.gz" in check.problems[0]
    assert "b_flair.nii.gz" in check.problems[1]
    assert row(check, "usable cases") == ("1 of 3", False)
    assert told == [2, 2]


def test_odd_cases_are_doubted(tmp_path: Path) -> None:
    case = write_case(tmp_path / "data", "a")
    rewrite(case.seg, data=np.zeros((50, 60, 48), np.uint8))
    image = nib.load(case.images[0])
    data = np.asarray(image.dataobj).copy()
    data[:10] = -5
    rewrite(case.images[0], data=data)
    check = check_site(make_site(tmp_path), STUDY)
    assert check.usable
    assert any("tumour volume 0 ml" in doubt for doubt in check.doubts)
    assert any("negative intensities 5 %" in doubt for doubt in check.doubts)
    assert row(check, "tumour volume")[1] is False


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    check = check_site(make_site(tmp_path), STUDY)
    assert "no such folder" in check.problems[0]
    assert row(check, "usable cases")[1] is False


def test_the_checks_work_is_kept_for_preparation(tmp_path: Path) -> None:
    write_case(tmp_path / "data", "a")
    site = make_site(tmp_path)
    check_site(site, STUDY)
    file = site.state / "cohort" / "subjects" / "a.npz"
    before = file.stat().st_mtime_ns
    prepare_cohort(site, STUDY)
    assert file.stat().st_mtime_ns == before
