"""A healthy site of T1 scans beside a study: it can be checked and prepared, and takes no part in training."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tomli_w
from small_run import CONTRAST, small_study
from typer.testing import CliRunner

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, paint
from fl_components.study import Grid
from jobs.cli import app
from jobs.run_folder import RunFolder

GRID = {"shape": [40, 48, 40], "spacing_mm": 4.0}


def write_healthy_site(run: RunFolder, name: str) -> None:
    """Two people of three visits as ADNI's download has them."""
    grid = Grid(shape=(40, 48, 40), spacing_mm=4.0)
    folder = run.site_folder(name)
    for k, (subject, day) in enumerate((("002_S_0295", "2006-04-18"), ("002_S_0295", "2007-05-25"),
                                        ("003_S_0907", "2006-09-11"))):
        labels = AnatomySampler(grid).sample(np.random.default_rng(k), tumour=False).labels
        image = paint(labels, Contrast(CONTRAST.astype(np.float32), np.ones(6, bool)))[0] * 1000
        place = folder / "data" / "ADNI" / subject / "MPR" / f"{day}_08_20_30.0" / f"I{k}"
        place.mkdir(parents=True)
        nib.save(nib.Nifti1Image(image.astype(np.int16), grid.affine), place / f"ADNI_{subject}_I{k}.nii")
    run.site_file(name).write_text(tomli_w.dumps({
        "name": name, "study": "../../study.toml", "state": "state",
        "data": {"root": "data", "layout": "adni", "split_seed": 0}}))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.study_file.write_text(tomli_w.dumps(small_study(grid=GRID)))
    write_healthy_site(run, "memory")
    return run


@pytest.mark.slow
def test_a_site_that_the_study_does_not_name_is_checked_and_prepared(run: RunFolder) -> None:
    result = CliRunner().invoke(app, ["cohort", "check", str(run.path), "--site", "memory", "--format", "json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["sites"]["memory"]
    assert found["members"] + found["holdout"] + found["test"] == 2
    check = json.loads((run.site_folder("memory") / "state" / "check.json").read_text())
    assert [row["found"] for row in check["rows"] if row["what"] == "takes part with"] == [
        "anatomies only: T1ce, T2, FLAIR missing in 3 of 3 scans"]
    assert (run.site_folder("memory") / "state" / "sheet.png").exists()


def test_an_unknown_site_is_refused(run: RunFolder) -> None:
    result = CliRunner().invoke(app, ["cohort", "check", str(run.path), "--site", "nowhere"])
    assert result.exit_code == 2
    assert "--site nowhere: not a site of the study, which names east, west" in " ".join(result.stderr.split())


def test_another_study_is_refused(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(tomli_w.dumps(small_study(grid=GRID, seed=99)))
    text = run.site_file("memory").read_text().replace("../../study.toml", str(tmp_path / "study.toml"))
    run.site_file("memory").write_text(text)
    result = CliRunner().invoke(app, ["cohort", "check", str(run.path), "--site", "memory"])
    assert result.exit_code == 2
    assert "every party must hold the same study" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_training_refuses_it_in_one_line(run: RunFolder) -> None:
    run.study_file.write_text(tomli_w.dumps(small_study(grid=GRID, sites={"memory": 1.0})))
    assert CliRunner().invoke(app, ["cohort", "check", str(run.path)]).exit_code == 0
    result = CliRunner().invoke(app, ["train", str(run.path)])
    assert result.exit_code == 2
    assert "site 'memory': 3 of 3 scans lack a sequence" in " ".join(result.stderr.split())


@pytest.mark.parametrize(("key", "value", "expected"), [
    ("layout", "dicom", "'brats', 'bids' or 'adni'"),
    ("labelling", "freesurfer", "'auto', 'mixture' or 'labeller'"),
    ("tumours", "masked", "nobody of ADNI has a mask"),
    ("dialect", "brats2020", "no dialect, which belongs to layout 'brats'"),
])
def test_bad_settings_are_one_line(run: RunFolder, key: str, value: str, expected: str) -> None:
    data = {"root": "data", "layout": "adni"} | {key: value}
    run.site_file("memory").write_text(tomli_w.dumps({
        "name": "memory", "study": "../../study.toml", "state": "state", "data": data}))
    result = CliRunner().invoke(app, ["cohort", "check", str(run.path), "--site", "memory"])
    assert result.exit_code == 2
    assert f"key 'data.{key}': found '{value}'" in " ".join(result.stderr.split())
    assert expected in " ".join(result.stderr.split())
