"""Worth and leakage on a run whose hospitals are painted and whose generator has learned nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_run import CONTRAST, prepare_run, write_run

from benchmarks.hospitals import pooled
from benchmarks.kept_cells import measure_all
from benchmarks.layouts import TABLES
from benchmarks.results import read_result
from benchmarks.tables import render
from benchmarks.worth_leakage import tell
from benchmarks.worth_leakage_cells import Bench
from benchmarks.worth_leakage_picture import draw
from benchmarks.worth_leakage_plan import BASELINES, LOOKUP, REAL, RECIPE, Cell, Sizes, full_plan, quick_plan, study_of
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client.training_seed import training_seed
from fl_components.contrast import Contrast, paint
from fl_components.json_file import write_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from fl_components.vocabulary import REGIONS
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

SIZES = Sizes(tests=2, volumes=3, steps=2, seeds=1)
FEW = Cell("members", "3 a site", length=1 / 3, members=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    made = write_run(tmp_path_factory.mktemp("worth") / "run", subjects=15,
                     training={"rounds": 1, "local_steps": 3, "precision": "float32"})
    study = prepare_run(made)
    metadata = ReleaseMetadata(study.name, study.hash, "0" * 64, study.seed, "1", "nobody")
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    with ReleaseWriter(made.release, study.grid, metadata, replace=True) as writer:
        for k in range(4):
            labels = AnatomySampler(study.grid).sample(np.random.default_rng([50, k])).labels
            writer.add(paint(labels, contrast), labels)
    summary = {"contrast.mean": CONTRAST.tolist(), "contrast.spread": np.full((6, 4), 0.02).tolist(),
               "contrast.count": [9] * 6, "simulated": True}
    write_json(made.server.population_file, dict.fromkeys(study.sites, summary))
    save_file(weights_of(build_generator(study)), made.server.generator_file)
    return made


def test_cells_are_measured_once_and_told_beside_the_recipe(run: RunFolder, tmp_path: Path) -> None:
    bench, plan = Bench(run, SIZES), [*BASELINES, RECIPE, FEW]
    found = measure_all(bench, plan, ["baseline", "recipe"], None)
    assert list(found) == plan[:-1]  # the other was not asked for
    with pytest.raises(InputError, match="add 'recipe'"):
        tell(bench, {LOOKUP: found[LOOKUP]}, 4, "worth_leakage", tmp_path, tmp_path)
    found = measure_all(bench, plan, ["members"], None)
    assert measure_all(Bench(run, SIZES), plan, [], 0.0) == found  # out of time, and all are kept
    assert Bench(run, replace(SIZES, steps=3)).kept(FEW) is None  # of other settings
    tell(bench, found, len(plan), "worth_leakage", tmp_path, tmp_path)
    rows = read_result("worth_leakage", tmp_path)["figures"]["cells"]
    assert [(row["factor"], row["value"]) for row in rows] == [(cell.factor, cell.value) for cell in plan]
    assert [row["members"] for row in rows] == [12, 12, 12, 6]
    assert [row["steps"] for row in rows] == ["–", "–", 6, 2]
    assert [isinstance(row["T4"], dict) for row in rows] == [False, False, True, True]
    assert [isinstance(row["T1"], dict) for row in rows] == [False, True, True, True]
    assert rows[2]["− recipe"] == "–"
    assert rows[3]["T4"]["n_members"] == 6
    assert all(row["mean"]["n"] == 4 for row in rows)
    assert all(len(found[cell]["segmenters"][0][region]) == 4 for cell in plan for region in REGIONS)
    for name in ("worth_leakage", "worth_leakage_cost"):
        assert render(TABLES[name], read_result("worth_leakage", tmp_path)).count("\n| ") == len(plan) + 1
    assert (tmp_path / "worth_leakage.png").stat().st_size > 1000


def test_the_run_s_own_generator_is_the_recipe_s(run: RunFolder) -> None:
    bench = Bench(run, SIZES)
    own = run.server.load_generator()
    trained = bench._trained(RECIPE)
    assert all(np.array_equal(own[name], trained[name]) for name in own)


def test_others_are_trained_by_the_job_s_rounds(run: RunFolder, tmp_path: Path) -> None:
    """One round: the sites' updates from one start, weighed as the study weighs."""
    bench = Bench(run, SIZES)
    study, start = study_of(FEW, bench.study), weights_of(build_generator(bench.study))
    updates = [LocalTrainer(study, bench.members[site.name][:3], tmp_path / site.name,
                            training_seed(site, study)).train(start, 0, 1).update for site in run.sites(run.study())]
    trained = bench._trained(FEW)
    for name, value in start.items():
        np.testing.assert_allclose(trained[name], value + (2 * updates[0][name] + updates[1][name]) / 3, atol=1e-6)
    assert any(not np.array_equal(trained[name], start[name]) for name in start)


def test_releases_differ_by_their_images_alone(run: RunFolder) -> None:
    bench = Bench(run, SIZES)
    painted, made = (bench._release(cell, weights) for cell, weights in (
        (LOOKUP, None), (RECIPE, bench._trained(RECIPE))))
    assert len(painted) == len(made) == SIZES.volumes
    assert all(np.array_equal(one.labels, other.labels) for one, other in zip(painted, made, strict=True))
    assert not any(np.array_equal(one.images, other.images) for one, other in zip(painted, made, strict=True))
    assert bench._release(REAL, None) == pooled(bench.members)


def test_only_the_cell_s_factor_differs_from_the_study() -> None:
    study = Study.parse({"name": "x", "preset": "tiny", "seed": 0, "sites": {"a": 1}}, "x")
    assert study_of(RECIPE, study) == study
    for cell in {*full_plan(), *quick_plan()} - {RECIPE, *BASELINES}:
        made = study_of(cell, study)
        assert (made.network != study.network) is (cell.width != 1)
        assert made.model_copy(update={"training": study.training, "network": study.network}) == study
        total = made.training.rounds * made.training.local_steps
        assert total == pytest.approx(cell.length * 360, rel=0.05)
        if cell.length == 1 and not cell.by_heart:
            assert (made.training.augmentation != study.training.augmentation) is (cell.augmentation != 1)
            assert made.training.model_copy(update={"augmentation": study.training.augmentation}) == study.training
    double = study_of(Cell("augmentation", "× 2", augmentation=2), study).training.augmentation
    assert double is not None
    assert (double.rotation_degrees, double.elastic_mm, double.flip) == (20, 8, True)
    with pytest.raises(InputError, match="beyond what there is"):
        study_of(Cell("augmentation", "× 6", augmentation=6), study)


def test_names_of_cells_are_their_own_and_one_factor_is_varied_at_a_time() -> None:
    for plan in (full_plan(), quick_plan()):
        assert len({cell.name for cell in plan}) == len(plan)
        assert RECIPE in plan
        usual = ("length", "width", "augmentation", "members")
        for cell in plan:
            changed = [name for name in usual if getattr(cell, name) != getattr(RECIPE, name)]
            assert changed == ([cell.factor] if cell.factor in usual else []) or cell.by_heart


def test_what_has_no_attack_is_a_line_and_not_a_point(tmp_path: Path) -> None:
    dice = {"estimate": 0.4, "low": 0.3, "high": 0.5}
    auc = {"auc": 0.55, "low": 0.45, "high": 0.65}
    rows = [{"factor": "baseline", "value": "real members", "mean": dice, "T4": "–", "T1": "–"},
            {"factor": "recipe", "value": "the study's", "mean": dice, "T4": auc, "T1": "–"}]
    draw(rows, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
