"""The frontier's reduced form: two trained cells and the baselines, on painted patients that a segmenter ignores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_run import CONTRAST

from benchmarks import frontier_cells, frontier_study
from benchmarks.alone import Cost
from benchmarks.frontier import tell
from benchmarks.frontier_cells import Bench, contrast_error
from benchmarks.frontier_study import GENERATOR, NOTHING, REAL, Cell, Sizes, study_of
from benchmarks.frontier_training import LEAST_NOISE, Learned, learn
from benchmarks.kept_cells import measure_all
from benchmarks.results import read_result
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client import private_rounds
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.guard.ledger import Ledger
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.private.accounting import epsilon_spent
from fl_components.training.private.plan import plan_of
from fl_components.vocabulary import REGIONS

SIZES = Sizes(patients=(4, 5, 6), holdout=5, tests=5, volumes=6, rounds=2, local_steps=1, empirical_steps=2,
              segmenter_steps=4, seeds=1)
SUMMARY, ADAPTED = Cell("summary", 3.0, 5), Cell("adapted", 8.0, 5)
PLAN = [Cell(REAL, math.inf, 5), *(Cell(name, 0.0, 0) for name in NOTHING), SUMMARY, ADAPTED]


def draw_painted(study: Study, n: int, rng: np.random.Generator, hospital: int = 0) -> list[Subject]:
    """In the place of the hospitals' simulator: painted anatomies, brighter at the second site."""
    contrast = Contrast(np.clip(CONTRAST + 0.05 * hospital, 0, 1).astype(np.float32), np.ones(6, bool))
    subjects = []
    for _ in range(n):
        labels = AnatomySampler(study.grid).sample(rng).labels
        images = np.clip(paint(labels, contrast) + 0.02 * rng.standard_normal((4, *labels.shape)), 0, 1)
        subjects.append(Subject("painted", (images * (labels > 0)).astype(np.float32), labels, contrast))
    return subjects


def cost_here(prepare: Callable[..., Callable[[], object]], *arguments: object) -> Cost:
    """Without a process of its own, which takes longer to start than the training takes."""
    prepare(*arguments)()
    return Cost([1.0], 10.0)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier_study, "draw_subjects", draw_painted)
    monkeypatch.setattr(frontier_cells, "cost_of", cost_here)
    monkeypatch.setattr(private_rounds, "POOL", 2)


def test_two_cells_beside_the_baselines_are_measured_kept_and_told(painted: None, tmp_path: Path) -> None:
    bench = Bench(SIZES, tmp_path / "kept")
    found = measure_all(bench, PLAN, ["real", "lookup", "public-simulator", "simulator-only", "summary"], None)
    assert list(found) == PLAN[:-1]  # adapted was not asked for
    found = measure_all(bench, PLAN, ["adapted"], None)
    assert list(found) == PLAN
    assert measure_all(Bench(SIZES, tmp_path / "kept"), PLAN, [], 0.0) == found  # out of time, and all are kept
    assert Bench(replace(SIZES, segmenter_steps=5), tmp_path / "kept").kept(PLAN[1]) is None  # of other settings
    tell(bench, found, len(PLAN), "frontier", tmp_path, tmp_path)
    figures = read_result("frontier", tmp_path)["figures"]
    assert [row["method"] for row in figures["worth"]] == [cell.method for cell in PLAN]
    assert [(row["method"], row["epsilon"]) for row in figures["cost"]] == [("summary", "3"), ("adapted", "8")]
    assert all(0 < row["spent"] <= limit for row, limit in zip(figures["cost"], (3, 8), strict=True))
    assert (tmp_path / "frontier.png").stat().st_size > 1000
    assert all(len(found[cell]["segmenters"][0][region]) == 2 * SIZES.tests for cell in PLAN for region in REGIONS)
    assert [set(found[cell]["attacks"]) for cell in (PLAN[1], PLAN[3], SUMMARY)] == [{"T1"}, {"T1", "T4"}, {"T1", "T4"}]
    betrayed = figures["attacks"][0]["T1"]  # the members themselves, of whom each is its own nearest volume
    assert (betrayed["auc"], betrayed["n_members"]) == (1, 2 * 5)
    real, guessed = found[PLAN[0]]["contrast"]["mean"], found[PLAN[3]]["contrast"]["mean"]
    assert real < 0.02 < guessed  # members have the sites' contrasts, random protocols do not
    assert real < found[SUMMARY]["contrast"]["mean"]


def test_a_kept_cell_gets_the_segmenters_it_lacks_on_the_same_release(painted: None, tmp_path: Path) -> None:
    """Its patients are not touched again: no new noise, and nothing is spent twice."""
    first = Bench(SIZES, tmp_path).measure(SUMMARY)
    wider = Bench(replace(SIZES, seeds=2), tmp_path)
    both = measure_all(wider, PLAN, ["summary"], None)[SUMMARY]
    assert both["segmenters"][0] == first["segmenters"][0] != both["segmenters"][1]
    assert {name: both[name] for name in both if name != "segmenters"} == {
        name: first[name] for name in first if name != "segmenters"}
    assert measure_all(wider, PLAN, ["nothing"], None) == {SUMMARY: both}
    assert Bench(SIZES, tmp_path).measure(SUMMARY) == both  # fewer are asked for, none is thrown away


def test_in_random_protocols_a_cell_is_the_same_training_in_other_contrasts(painted: None, tmp_path: Path) -> None:
    bench = Bench(SIZES, tmp_path)
    told, free = bench.measure(SUMMARY), bench.measure(Cell(GENERATOR, 0.0, 0))
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "trained").rglob("*") if path.is_file())
    widely = bench.measure(replace(SUMMARY, random=True))
    assert sorted((path, path.read_bytes()) for path in (tmp_path / "trained").rglob("*") if path.is_file()) == before
    assert widely["segmenters"] == free["segmenters"] != told["segmenters"]  # of a generator that is the public one
    assert widely["spent"] == told["spent"]


def test_sites_spend_in_their_own_ledgers_what_the_plan_says(painted: None, tmp_path: Path) -> None:
    study = study_of(ADAPTED, SIZES)
    members = frontier_study.hospitals(tmp_path, "members", 5)
    learned = learn(ADAPTED, study, members, tmp_path / "trained", lambda _: None)
    plan = plan_of(study)
    assert plan is not None
    events = [plan.summary, *[plan.training(plan.steps_per_round)] * SIZES.rounds]
    assert learned.spent == {site: pytest.approx(epsilon_spent(events, plan.delta)) for site in frontier_study.SITES}
    ledgers = [Ledger(tmp_path / "trained" / site / "ledger.jsonl").entries() for site in members]
    assert [len(entries) for entries in ledgers] == [1 + SIZES.rounds] * len(members)
    learned.save(tmp_path)
    again = Learned.load(tmp_path)
    assert again.spent == learned.spent
    np.testing.assert_array_equal(again.population.mean, learned.population.mean)
    start = weights_of(build_generator(study))
    assert {name for name in start if not np.array_equal(start[name], again.weights[name])} < set(start)


def test_without_noise_the_contrast_is_the_patients_own(painted: None, tmp_path: Path) -> None:
    cell = Cell("summary", math.inf, 5)
    members = frontier_study.hospitals(tmp_path, "members", 5)
    learned = learn(cell, study_of(cell, SIZES), members, tmp_path, lambda _: None)
    assert learned.spent == {}
    for site, subjects in enumerate(members.values()):
        own = np.mean([subject.contrast.mean for subject in subjects], axis=0)
        drawn = learned.population.mean[site]
        assert np.abs(drawn - own).max() < 0.3
        assert np.corrcoef(drawn.ravel(), own.ravel())[0, 1] > 0.9


def test_least_noise_covers_nothing() -> None:
    plan = plan_of(study_of(ADAPTED, SIZES))
    assert plan is not None
    assert plan.training_noise is not None
    assert plan.training_noise > 100 * LEAST_NOISE


def test_contrast_error_is_the_shift_of_one_and_none_of_the_same() -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(0, 0.5, (30, 6, 4))
    real[:5, 3] = np.nan
    assert contrast_error(real, real)[0] == 0
    assert contrast_error(real, real + 0.1)[0] == pytest.approx(0.1)


def test_the_plans_cells_have_names_of_their_own_and_studies_that_can_be_made() -> None:
    for sizes in (frontier_study.WHOLE, frontier_study.QUICK):
        plan = frontier_study.plan_cells(sizes)
        assert len({cell.name for cell in plan}) == len(plan)
        assert {cell.patients for cell in plan if cell.learns} == set(sizes.patients)
        assert all(study_of(cell, sizes).sites.keys() == set(frontier_study.SITES) for cell in plan)
    whole = [cell for cell in frontier_study.plan_cells(frontier_study.WHOLE) if cell.learns]
    assert {cell.epsilon for cell in whole} == {frontier_study.LITTLE, 1.0, 3.0, 8.0, math.inf}
    assert {cell.method for cell in whole} == {"summary", "adapted", "all", "scratch"}
