from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from brats_case import make_site, make_study, write_case

from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.subject import Subject
from fl_components.site import Site
from privacy_eval.errors import InputError

STUDY = make_study()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for k in range(5):
        write_case(tmp_path / "data", f"case{k}", seed=k)
    return make_site(tmp_path)


def written(cohort: Cohort) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in cohort.folder.glob("*.npz")}


def test_everybody_is_prepared_once_and_split(site: Site) -> None:
    told: list[tuple[int, int]] = []
    cohort = prepare_cohort(site, STUDY, on_done=lambda done, total: told.append((done, total)))
    assert told == [(k, 5) for k in range(1, 6)]
    assert [len(part) for part in (cohort.members, cohort.holdout, cohort.test)] == [2, 2, 1]
    assert {path.stem for path in (*cohort.members, *cohort.holdout, *cohort.test)} == set(written(cohort))
    before = written(cohort)
    assert prepare_cohort(site, STUDY) == cohort == Cohort.load(site, STUDY)
    assert written(cohort) == before
    assert [subject.name for subject in cohort.subjects("holdout")] == [path.stem for path in cohort.holdout]
    assert Subject.load(cohort.test[0]).images.shape == (4, *STUDY.grid.shape)
    assert not [path for path in cohort.folder.parent.rglob("*") if "partial" in path.name]


def test_another_process_prepares_the_same(site: Site, tmp_path: Path) -> None:
    here = prepare_cohort(site, STUDY)
    elsewhere = site.model_copy(update={"state": tmp_path / "other"})
    with ProcessPoolExecutor(1) as executor:
        there = prepare_cohort(elsewhere, STUDY, executor=executor)
    for path in here.folder.glob("*.npz"):
        assert path.read_bytes() == (there.folder / path.name).read_bytes()


def test_what_changed_is_prepared_again_and_nothing_else(site: Site) -> None:
    cohort = prepare_cohort(site, STUDY)
    before = written(cohort)
    os.utime(site.data.root / "case2" / "case2_t1.nii.gz", ns=(0, 0))
    with pytest.raises(InputError, match=r"case2.* prepare the cohort again"):
        Cohort.load(site, STUDY)
    after = written(prepare_cohort(site, STUDY))
    assert {name for name in before if before[name] != after[name]} == {"case2"}


def test_another_grid_is_another_cohort(site: Site) -> None:
    prepare_cohort(site, STUDY)
    finer = make_study(grid={"shape": [48, 56, 48], "spacing_mm": 3.5})
    with pytest.raises(InputError, match="another grid"):
        Cohort.load(site, finer)
    prepared = prepare_cohort(site, finer)
    assert Subject.load(prepared.test[0]).images.shape == (4, 48, 56, 48)


def test_a_subject_that_left_stops_the_site_before_work(site: Site) -> None:
    cohort = prepare_cohort(site, STUDY)
    (site.data.root / "case4").rename(site.state / "case4")
    for call in (prepare_cohort, Cohort.load):
        with pytest.raises(InputError, match="1 removed"):
            call(site, STUDY)
    assert "case4" in cohort.split.subjects


def test_nothing_is_split_when_a_case_is_bad(site: Site) -> None:
    (site.data.root / "case3" / "case3_t2.nii.gz").write_bytes(b"broken")
    with pytest.raises(InputError, match="case3_t2"):
        prepare_cohort(site, STUDY)
    assert not (site.state / "cohort" / "split.json").exists()
    with pytest.raises(InputError, match="prepare the cohort first"):
        Cohort.load(site, STUDY)


def test_one_subject_can_be_trained_on_but_not_audited(tmp_path: Path) -> None:
    write_case(tmp_path / "data", "only")
    cohort = prepare_cohort(make_site(tmp_path), STUDY)
    assert len(cohort.members) == 1
    with pytest.raises(InputError, match=r"no subject in the split's part 'holdout' \(1 members, 0 holdout, 0 test\)"):
        _ = cohort.holdout
