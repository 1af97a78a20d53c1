"""A release's contrasts come out as they were drawn, and its calibration is kept for as long as it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import write_run, write_untrained

from fl_components.contrast import measure_contrast
from fl_components.json_file import read_json, write_json
from fl_components.server.population import ContrastPopulation
from fl_components.server.release import read_release
from fl_components.server.synthesize import release_calibration, released_look
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from privacy_eval.errors import InputError


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = write_run(tmp_path / "run", subjects=1, synthesis={"volumes": 6})
    write_untrained(made)
    return made


def test_a_release_has_the_contrasts_that_were_drawn(run: RunFolder) -> None:
    synthesize(run, Talk())
    study = run.study()
    population = ContrastPopulation.of_release(study, read_json(run.server.population_file))
    missed = []
    for number, volume in enumerate(read_release(run.release), 1):
        drawn, _ = released_look(study, number, population, volume.labels)
        made = measure_contrast(volume.images, volume.labels)
        missed.append((made.mean - drawn.mean)[[1, 2]])  # CSF may be too dark to ask for, a tumour is a few voxels here
    assert len(missed) == 6
    np.testing.assert_allclose(np.mean(missed, axis=0), 0, atol=0.02)


def test_a_calibration_is_kept_until_what_it_was_taken_of_changes(run: RunFolder) -> None:
    first = release_calibration(run.server, run.study())
    kept = read_json(run.server.calibration_file)
    write_json(run.server.calibration_file, {**kept, "shift": np.ones((6, 4)).tolist()})
    assert (release_calibration(run.server, run.study()).shift == 1).all()
    told = read_json(run.server.population_file)
    for summary in told.values():
        summary["contrast.mean"] = (np.array(summary["contrast.mean"]) * 0.9).tolist()
    write_json(run.server.population_file, told)
    again = release_calibration(run.server, run.study())
    assert not (again.shift == 1).any()
    assert (again.shift != first.shift).any()


def test_a_release_that_may_not_be_replaced_is_refused_before_anything_is_calibrated(run: RunFolder) -> None:
    run.release.mkdir()
    (run.release / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="holds a release already"):
        synthesize(run, Talk())
    assert not run.server.calibration_file.exists()
