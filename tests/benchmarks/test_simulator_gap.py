from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from small_run import CONTRAST, prepare_run, small_study, write_run

from benchmarks import simulator_gap
from benchmarks.hospitals import load_hospitals
from benchmarks.simulator_gap import HOSPITALS, PUBLIC, public_batches, summarise
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import paint
from fl_components.evaluation.public_images import public_subject
from fl_components.server.population import ContrastPopulation
from fl_components.study import Study
from fl_components.training.batch import collate
from fl_components.vocabulary import REGIONS
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
POPULATION = ContrastPopulation(CONTRAST[None].astype(np.float32), np.zeros((1, 6, 4), np.float32), np.ones(1), True)
ANATOMIES = [AnatomySampler(STUDY.grid).sample(np.random.default_rng(k)).labels for k in range(3)]


def dice(real: float, public: float) -> dict[str, dict[str, np.ndarray]]:
    factors = np.array([0.9, 1.0, 1.0, 1.1])
    return {HOSPITALS: {region: real * factors for region in REGIONS},  # noqa: C420 - an array of its own each
            PUBLIC: {region: public * factors for region in REGIONS}}  # noqa: C420


MASKS = {"all": np.ones(4, bool), "east": np.array([True, True, False, False])}


def test_loss_is_the_share_of_the_hospitals_dice() -> None:
    figures = summarise(dice(0.8, 0.6), MASKS)
    assert figures["mean_loss"] == pytest.approx(0.25)
    loss = figures["sites"]["east"]["core"]["loss"]
    assert (loss["low"], loss["mean"], loss["high"]) == pytest.approx((0.25, 0.25, 0.25))
    assert loss["n"] == 2


def test_subjects_without_the_region_are_left_out() -> None:
    values = dice(0.8, 0.6)
    for found in values.values():
        found["enhancing"][3] = np.nan
    row = summarise(values, MASKS)["sites"]["all"]["enhancing"]
    assert row[HOSPITALS]["n"] == row[PUBLIC]["n"] == row["loss"]["n"] == 3
    assert row["loss"]["mean"] == pytest.approx(0.25)


def test_public_subject_is_its_lookup_table_under_bias_and_noise() -> None:
    """Piecewise constant up to a smooth field and noise: the medians stay near, and every draw differs."""
    labels = ANATOMIES[0]
    rng = np.random.default_rng(0)
    first, second = (public_subject(labels, POPULATION, STUDY.grid, rng) for _ in range(2))
    painted = paint(labels, first.contrast)
    brain = labels > 0
    assert (first.images[:, ~brain] == 0).all()
    assert first.images.min() >= 0
    assert first.images.max() <= 1
    assert np.abs(first.images - painted)[:, brain].mean() < 0.2
    assert np.abs(first.images - second.images)[:, brain].mean() > 0.005


def test_public_batches_use_every_anatomy_before_any_again() -> None:
    batches = public_batches(ANATOMIES, POPULATION, STUDY.grid, np.random.default_rng(0))
    seen = [labels.numpy() for batch in islice(batches, 6) for labels in batch.labels]
    for half in (seen[:3], seen[3:]):
        assert sorted(int(labels.sum()) for labels in half) == sorted(int(labels.sum()) for labels in ANATOMIES)


def test_population_is_the_members_summary(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=20)
    study = prepare_run(run)
    members = load_hospitals(run, "members")
    population = simulator_gap.summarise_population(run, study, members)
    contrast = np.mean([s.contrast.mean[2] for s in members["east"]], axis=0)
    np.testing.assert_allclose(population.mean[0, 2], contrast, atol=1e-5)
    assert collate(members["east"][:1]).images.shape[2:] == study.grid.shape


@pytest.mark.parametrize(("public", "code"), [(0.5, 0), (0.79, 1)])
def test_exit_code_says_whether_the_gap_is_wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, public: float,
                                                code: int) -> None:
    run = write_run(tmp_path / "run", subjects=20)
    prepare_run(run)
    written: dict[str, object] = {}
    answers = iter([0.8, public])
    monkeypatch.setattr(simulator_gap, "_train_and_test",
                        lambda *_: dict.fromkeys(REGIONS, np.full(8, next(answers))))
    monkeypatch.setattr(simulator_gap, "write_result", lambda name, figures, n, **_: written.update(figures))
    monkeypatch.setattr("sys.argv", ["simulator_gap", str(run.path), "--steps", "1", "--seeds", "1"])
    assert simulator_gap.main() == code
    assert written["mean_loss"] == pytest.approx(1 - public / 0.8)


def test_a_segmenter_that_learned_nothing_gives_no_figure() -> None:
    with pytest.raises(InputError, match="--steps"):
        summarise(dice(0.0, 0.3), MASKS)
