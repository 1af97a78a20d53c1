"""The realism benchmark's own parts: shares of sites, rows of the table, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from realism_case import REALISM_GRID, lifelike_subjects
from small_run import small_study

from benchmarks.layouts import TABLES
from benchmarks.realism import FLOOR, OURS, PUBLIC_START, SIMULATOR, mixed, summarise
from benchmarks.realism_picture import draw_profiles, draw_spectra
from benchmarks.tables import render
from fl_components.evaluation.realism.answer import REALISM_MEASURES, Measured, RealismStatistics
from fl_components.evaluation.realism.bad import BAD, MODES, collapsed, painted, pasted
from fl_components.study import Study
from fl_components.vocabulary import TUMOUR


def test_the_floor_mixes_sites_in_the_studys_shares() -> None:
    subjects = lifelike_subjects([1])
    hospitals = {"east": subjects * 9, "west": [None] * 9}
    found = mixed(Study.parse(small_study(), "study"), hospitals, 6)  # type: ignore[arg-type]
    assert found == [*subjects * 4, None, None]


def test_every_set_is_a_row_with_a_cell_a_figure() -> None:
    def answer(value: float) -> RealismStatistics:
        return RealismStatistics(30, 40, dict.fromkeys(REALISM_MEASURES, Measured(value, 0.01)))

    sets = (OURS, PUBLIC_START, SIMULATOR, FLOOR, *BAD)
    figures = summarise({name: {"north": answer(0.5)} for name in sets}
                        | {OURS: {"north": answer(0.9), "south": answer(0.7)}})
    assert figures["table"][OURS]["rim.auc"]["mean"] == pytest.approx(0.8)
    assert figures["table"][OURS]["rim.auc"]["high"] == pytest.approx(0.8 + 1.96 * 0.01 / np.sqrt(2), abs=1e-4)
    assert figures["table"][FLOOR]["mmd"]["low"] == pytest.approx(0.5 - 0.0196, abs=1e-4)  # sequences go together
    result = {"name": "realism", "figures": figures, "n": 1, "simulated": True, "command": "c",
              "machine": {"cpu": "c", "cores": 1, "memory_gib": 1, "gpu": "none", "torch": "t"}}
    table = render(TABLES["realism"], result)
    assert table.count("\n| our release |") == 1
    assert render(TABLES["realism_sites"], result).count("| north |") == 2


def test_pictures_are_drawn_of_the_sets_that_are_there(tmp_path: Path) -> None:
    subjects = lifelike_subjects(range(4))
    sets = {"real": subjects, "lookup table": painted(subjects)}
    for path in (draw_profiles(sets, REALISM_GRID.spacing_mm, tmp_path), draw_spectra(sets, 6.0, tmp_path)):
        assert Image.open(path).size[0] > 800


def test_bad_generators_have_the_defect_that_they_are_named_for() -> None:
    subjects = lifelike_subjects(range(4))
    assert len({one.labels.tobytes() for one in collapsed(subjects)}) == MODES
    for made, subject in zip(pasted(subjects), subjects, strict=True):
        tumour = np.isin(subject.labels, TUMOUR)
        assert np.array_equal(np.isin(made.labels, TUMOUR), tumour)
        assert np.array_equal(made.images[:, tumour], subject.images[:, tumour])
        outside = (subject.labels > 0) & ~tumour
        assert (made.images[:, outside] != subject.images[:, outside]).mean() > 0.5
