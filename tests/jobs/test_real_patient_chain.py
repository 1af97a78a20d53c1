"""The one real patient, where present: checked, drawn, and one site's training round under NVFlare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tomli_w
from small_run import small_study

from fl_components.cohort.cohort import subjects_folder
from fl_components.cohort.subject import Subject
from jobs.cohort import check
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.train import train

PATIENTS = Path(__file__).parents[3] / "shared" / "data" / "tcga-lgg"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not PATIENTS.is_dir(), reason=f"{PATIENTS} is not here")]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.site_folder("clinic").mkdir(parents=True)
    study = small_study(sites={"clinic": 1.0}, grid={"shape": [40, 48, 40], "spacing_mm": 4.0},
                        training={"rounds": 1, "local_steps": 2})
    run.study_file.write_text(tomli_w.dumps(study))
    run.site_file("clinic").write_text(tomli_w.dumps({
        "name": "clinic", "study": "../../study.toml", "state": "state",
        "data": {"root": str(PATIENTS), "dialect": "brats2020"},
        "policy": {"minimum_subjects": 1, "minimum_count": 1}}))  # one patient: for this test only
    return run


def test_check_finds_a_brain_and_draws_it(run: RunFolder) -> None:
    result = check(run.path, Talk())["sites"]["clinic"]
    assert (result["members"], result["doubts"]) == (1, 0)
    assert Path(result["sheet"]).read_bytes().startswith(b"\x89PNG")
    (path,) = subjects_folder(run.sites(run.study())[0]).glob("*.npz")
    subject = Subject.load(path)
    shares = np.bincount(subject.labels.ravel(), minlength=7)[1:] / (subject.labels > 0).sum()
    assert 0.05 < shares[0] < 0.35  # CSF
    assert shares[1] > shares[2] > shares[0]  # grey, white
    assert shares[4] > 0  # oedema
    assert shares[5] == 0  # no enhancing part
    assert subject.contrast.present.tolist()[5] is False


@pytest.mark.slow
def test_one_site_trains_a_round_on_it(run: RunFolder) -> None:
    check(run.path, Talk())
    result = train(run, Talk())
    assert result["rounds"] == 1
    assert set(result["l1_by_site"]) == {"clinic"}
