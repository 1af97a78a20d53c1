from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from segmenter_case import make_subjects
from small_run import small_study

from fl_components.evaluation.admissible import (
    labels_of,
    released_volumes,
    require_disjoint,
    require_same_labels,
    require_tests,
)
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Study
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
MEMBERS, TESTS = make_subjects(4), make_subjects(3, 10)


def write_release(folder: Path, study: Study) -> Path:
    metadata = ReleaseMetadata(study.name, study.hash, "0" * 64, 1, "1", "nobody")
    labels = np.zeros(study.grid.shape, np.uint8)
    labels[5:9, 5:9, 5:9] = OEDEMA
    with ReleaseWriter(folder, study.grid, metadata) as writer:
        for _ in range(2):
            writer.add(np.zeros((4, *study.grid.shape), np.float32), labels)
    return folder


def test_sound_input_passes(tmp_path: Path) -> None:
    require_tests({"east": TESTS})
    require_disjoint({"east": MEMBERS, "the release": make_subjects(2, 50)}, {"east": TESTS})
    require_same_labels({"east": labels_of(MEMBERS), "west": labels_of(TESTS)})
    assert len(released_volumes(write_release(tmp_path / "release", STUDY), STUDY)) == 2


def test_a_study_without_test_subjects_is_refused() -> None:
    with pytest.raises(InputError, match=r"no test subjects at any site.*cohort\.test"):
        require_tests({"east": [], "west": []})
    with pytest.raises(InputError, match="no test subjects"):
        require_tests({})


def test_a_site_with_one_subject_is_refused() -> None:
    with pytest.raises(InputError, match=r"site 'west': 1 test subject\(s\), expected at least 2"):
        require_tests({"east": TESTS, "west": TESTS[:1]})


def test_a_test_set_that_overlaps_the_training_set_is_refused() -> None:
    with pytest.raises(InputError, match="test subject '2' is trained on"):
        require_disjoint({"east": MEMBERS}, {"east": [*TESTS, MEMBERS[2]]})


def test_a_test_subject_under_another_name_is_refused() -> None:
    """At another site, or in a release."""
    copy = replace(MEMBERS[1], name="other")
    with pytest.raises(InputError, match="site 'west': test subject 'other' has the anatomy of '1' of east"):
        require_disjoint({"east": MEMBERS}, {"west": [*TESTS, copy]})
    with pytest.raises(InputError, match="of the release"):
        require_disjoint({"the release": [replace(TESTS[0], name="synthetic-0")]}, {"west": TESTS})


def test_a_name_may_recur_at_another_site() -> None:
    """Two hospitals may both have a patient 001."""
    require_disjoint({"east": MEMBERS}, {"west": [replace(TESTS[0], name=MEMBERS[0].name)]})


def test_label_sets_that_differ_between_sites_are_refused() -> None:
    """A site that draws no necrosis, or whose dialect calls it something else."""
    full = {0, 1, 2, 3, NECROTIC, OEDEMA, ENHANCING}
    with pytest.raises(InputError, match="site 'west': no necrotic core in any subject, but site 'east' has it"):
        require_same_labels({"east": full, "west": full - {NECROTIC}})
    require_same_labels({"east": full - {NECROTIC}, "west": full - {NECROTIC, 1}})


def test_a_release_of_another_study_is_refused(tmp_path: Path) -> None:
    other = Study.parse(small_study(seed=8), "test")
    with pytest.raises(InputError, match="a release of another study than 'small'"):
        released_volumes(write_release(tmp_path / "release", other), STUDY)


def test_a_release_of_another_grid_is_refused(tmp_path: Path) -> None:
    """As if its description had been taken from the right one."""
    finer = STUDY.model_copy(update={"grid": STUDY.grid.model_copy(update={"spacing_mm": 6.0})})
    metadata = ReleaseMetadata(STUDY.name, STUDY.hash, "0" * 64, 1, "1", "nobody")
    with ReleaseWriter(tmp_path / "release", finer.grid, metadata) as writer:
        writer.add(np.zeros((4, *finer.grid.shape), np.float32), np.ones(finer.grid.shape, np.uint8))
    with pytest.raises(InputError, match="has a grid of"):
        released_volumes(tmp_path / "release", STUDY)


def test_no_release_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json: no such file"):
        released_volumes(tmp_path, STUDY)
