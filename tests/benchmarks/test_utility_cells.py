from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from segmenter_case import GRID, make_subjects
from small_run import small_study

from benchmarks import utility_cells
from benchmarks.utility_cells import CENTRAL, NONE, Bench, Cell, full_plan, quick_plan, rows_of
from benchmarks.utility_images import BAD, BASELINES, NOTHING, RELEASE, SEPARATING
from fl_components.cohort.subject import Subject
from fl_components.evaluation.training_sets import TRAINING_SETS, Phase, TrainingSet
from fl_components.networks.segmenter import ARCHITECTURES
from fl_components.study import Study
from fl_components.training.batch import Batch
from fl_components.vocabulary import REGIONS

STUDY = Study.parse(small_study(grid={"shape": list(GRID.shape), "spacing_mm": GRID.spacing_mm}), "test")
CELL = Cell(CENTRAL, NONE, "real", True, "segresnet", 0)
SITES = ("north", "south")


def make_bench(folder: Path, steps: int = 2) -> Bench:
    released = make_subjects(3, 50)
    images: Any = SimpleNamespace(make=lambda name: released, released=released, count=3)
    members = {"north": make_subjects(3), "south": make_subjects(2, 5)}
    return Bench(STUDY, members, images, {"north": make_subjects(2, 20)}, [], steps, folder)


def test_the_whole_table_has_every_combination() -> None:
    plan = full_plan(SITES, range(3))
    assert len(set(plan)) == len(plan)
    sets = {(cell.training_set, cell.augmented, cell.segmenter, cell.seed) for cell in plan
            if cell.trained == CENTRAL and cell.images in (NONE, RELEASE)}
    assert len(sets) == len(TRAINING_SETS) * 2 * len(ARCHITECTURES) * 3
    assert {cell.images for cell in plan} == {NONE, RELEASE, *BASELINES, *NOTHING, *BAD, *SEPARATING}
    alone = Counter((cell.trained, cell.training_set) for cell in plan if cell.trained != CENTRAL)
    assert alone == {(site, name): 3 for site in SITES for name in ("real", "real + synthetic")}


def test_the_quick_table_is_a_part_of_the_whole() -> None:
    quick = quick_plan(SITES, range(1))
    assert set(quick) <= set(full_plan(SITES, range(1)))
    assert {cell.images for cell in quick} == {NONE, RELEASE, *BASELINES, *NOTHING, *BAD, *SEPARATING}
    assert {cell.training_set for cell in quick} == set(TRAINING_SETS)


def test_every_cell_has_a_file_of_its_own() -> None:
    names = [cell.name for cell in full_plan(SITES, range(3))]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") for name in names)


def test_rows_gather_seeds() -> None:
    rows = dict(rows_of(full_plan(SITES, range(3))))
    assert all(len(cells) == 3 for cells in rows.values())
    assert all(row.seed == 0 for row in rows)


def test_a_cell_is_kept_as_long_as_what_it_is_made_of(tmp_path: Path) -> None:
    """Real subjects outlive another release and another generator, a separating row another release."""
    def settings(release: int, weights: bytes) -> list[Any]:
        bench = make_bench(tmp_path)
        (tmp_path / "weights").write_bytes(weights)
        bench.images.released = make_subjects(3, release)  # type: ignore[misc]
        bench.images.run = SimpleNamespace(server=SimpleNamespace(  # type: ignore[misc,assignment]
            generator_file=tmp_path / "weights"))
        return [bench._setting(replace(CELL, images=images)) for images in (NONE, SEPARATING[0], RELEASE)]

    first, released, trained = settings(50, b"one"), settings(60, b"one"), settings(50, b"other")
    assert [a == b for a, b in zip(first, released, strict=True)] == [True, True, False]
    assert [a == b for a, b in zip(first, trained, strict=True)] == [True, False, True]


@pytest.mark.parametrize("training_set", list(TRAINING_SETS))
def test_a_cell_takes_the_bench_steps_and_scores_every_test_subject(tmp_path: Path, training_set: TrainingSet) -> None:
    images = NONE if training_set in utility_cells.REAL_SETS else RELEASE
    seen: list[int] = []
    scores = make_bench(tmp_path, 4).scores(Cell(CENTRAL, images, training_set, True, "segresnet", 0), seen.append)
    assert seen == [1, 2, 3, 4]
    assert all(scores.dice[region].shape == scores.hd95[region].shape == (2,) for region in REGIONS)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_bench(tmp_path).scores(CELL, lambda _: None)
    first.dice["core"][0] = np.nan
    utility_cells.write_json(tmp_path / f"{CELL.name}.json", {
        "setting": make_bench(tmp_path)._setting(CELL), "scores": utility_cells._packed(first)})
    monkeypatch.setattr(utility_cells, "train_segmenter", None)  # whoever trains again, fails
    again = make_bench(tmp_path).scores(CELL, lambda _: None)
    for region in REGIONS:
        np.testing.assert_array_equal(first.dice[region], again.dice[region])
        np.testing.assert_array_equal(first.hd95[region], again.hd95[region])
    with pytest.raises(TypeError):
        make_bench(tmp_path, steps=3).scores(CELL, lambda _: None)


def test_a_record_is_enough_to_go_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench(tmp_path / "here")
    first = bench.scores(CELL, lambda _: None)
    utility_cells.write_json(tmp_path / "there" / f"{CELL.name}.json", bench.record(CELL))
    monkeypatch.setattr(utility_cells, "train_segmenter", None)  # whoever trains again, fails
    again = make_bench(tmp_path / "there").scores(CELL, lambda _: None)
    for region in REGIONS:
        np.testing.assert_array_equal(first.dice[region], again.dice[region])


def test_a_site_alone_trains_on_its_own_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = utility_cells.phase_batches

    def counted(phase: Phase, members: Sequence[Subject], *rest: Any) -> Iterator[Batch]:  # noqa: ANN401
        asked.append(len(members))
        return real(phase, members, *rest)

    monkeypatch.setattr(utility_cells, "phase_batches", counted)
    bench = make_bench(tmp_path, 1)
    for trained in (CENTRAL, "north", "south"):
        bench.scores(Cell(trained, NONE, "real", True, "segresnet", 0), lambda _: None)
    assert asked == [5, 3, 2]
