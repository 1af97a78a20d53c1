from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report_case import whole
from safetensors.numpy import save_file
from small_run import CONTRAST, prepare_run, write_run

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, paint
from fl_components.json_file import write_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Study
from fl_components.vocabulary import REGIONS
from jobs.output import Talk
from jobs.report import _sections
from jobs.run_folder import RunFolder
from jobs.utility import HEADINGS, REAL, measure_quickly, quick_file, utility_table
from privacy_eval.errors import InputError


def write_release(run: RunFolder, study: Study, seed: int) -> None:
    metadata = ReleaseMetadata(study.name, study.hash, "0" * 64, seed, "1", "nobody")
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    with ReleaseWriter(run.release, study.grid, metadata, replace=True) as writer:
        for k in range(3):
            labels = AnatomySampler(study.grid).sample(np.random.default_rng([50 + seed, k])).labels
            writer.add(paint(labels, contrast), labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    made = write_run(tmp_path_factory.mktemp("utility") / "run", subjects=15)
    study = prepare_run(made)
    write_release(made, study, 1)
    summary = {"contrast.mean": CONTRAST.tolist(), "contrast.spread": np.full((6, 4), 0.02).tolist(),
               "contrast.count": [9] * 6, "simulated": True}
    write_json(made.server.population_file, dict.fromkeys(study.sites, summary))
    measure_quickly(made, Talk(), steps=2, tests=2)
    return made


def test_real_the_release_and_both_baselines_are_rows(run: RunFolder) -> None:
    table = utility_table(run)
    assert table is not None
    assert table.columns == HEADINGS
    assert [row[0].split("'s images")[0] for row in table.rows] == [REAL, "the release alone", "the lookup table",
                                                                    "the public simulator"]
    assert all(len(row) == len(HEADINGS) for row in table.rows)
    assert all(row[1] == "4" for row in table.rows)
    assert table.rows[0][-len(REGIONS):] == ("–",) * len(REGIONS)


def test_the_report_of_simulated_hospitals_shows_mosaic_and_own_point(run: RunFolder) -> None:
    study = run.study()
    save_file(weights_of(build_generator(study)), run.server.generator_file)
    write_json(run.server.result_file("train"), {"curves": [{"round": 1, "site": "east", "loss.l1": 0.1}]})
    write_json(run.training_file, {"precision": "float32"})
    shown = _sections(run, study, run.sites(study), {"release": "this"}, True, whole())
    titles = [figure.title for figure in shown.figures]
    assert "Worth and leakage: this run's own point" in titles
    assert any(title.startswith("Which are simulated hospitals' scans") for title in titles)
    hidden = _sections(run, study, run.sites(study), {"release": "this"}, False, whole())
    assert [figure.title for figure in hidden.figures] == ["Released volumes with their labels"]


def test_rows_of_another_release_are_not_shown(run: RunFolder) -> None:
    kept = quick_file(run).read_bytes()
    write_json(quick_file(run), {"release": "another", "rows": [], "steps": 1})
    assert utility_table(run) is None
    quick_file(run).unlink()
    assert utility_table(run) is None
    quick_file(run).write_bytes(kept)


def test_one_test_subject_a_site_is_refused(run: RunFolder) -> None:
    with pytest.raises(InputError, match=r"1 test subject\(s\), expected at least 2"):
        measure_quickly(run, Talk(), steps=2, tests=1)


def test_a_release_of_another_study_is_refused(run: RunFolder, tmp_path: Path) -> None:
    other = write_run(tmp_path / "run", subjects=15, seed=9)
    prepare_run(other)
    run.release.rename(other.release)
    with pytest.raises(InputError, match="a release of another study"):
        measure_quickly(other, Talk(), steps=2, tests=2)
    other.release.rename(run.release)
