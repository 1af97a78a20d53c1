from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import prepare_run, small_study, write_run

from benchmarks import poison
from benchmarks.hospitals import load_hospitals
from benchmarks.layout import Columns, Rows
from benchmarks.layouts import TABLES
from benchmarks.poison import POISONS, RULES, UNCHECKED, Federation, coarse, settled, train
from fl_components.guard.declaration import tensor_norm
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Study
from jobs.run_folder import RunFolder

FOUR = {"a": 5.0, "b": 1.0, "c": 1.0, "d": 1.0}
STUDY = Study.parse(small_study(sites=FOUR, training={"rounds": 2, "local_steps": 1}), "test")
UPDATE = {name: np.full_like(value, 0.01) for name, value in weights_of(build_generator(STUDY)).items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("poison") / "run", subjects=5, sites=FOUR)
    prepare_run(run)
    return run


@pytest.fixture(scope="module")
def federation(run: RunFolder) -> Federation:
    return Federation(poison.coarse_study(run.study(), 2, 1), coarse(load_hospitals(run, "members", 2)), "a")


def flat(weights: Weights) -> np.ndarray:
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


@pytest.mark.parametrize(("name", "factor"), [("none", 1), ("×1000", 1000), ("sign flip", -1), ("free rider", 0)])
def test_poisons_that_scale(name: str, factor: float) -> None:
    np.testing.assert_allclose(flat(POISONS[name](UPDATE, STUDY)), factor * flat(UPDATE), rtol=1e-6)


def test_the_poison_that_hides_below_the_bound_is_below_it_and_reversed() -> None:
    sent = POISONS["largest admitted, flipped"](UPDATE, STUDY)
    assert 0.99 * STUDY.federation.update_norm_bound < tensor_norm(sent) < STUDY.federation.update_norm_bound
    assert (flat(sent) * flat(UPDATE) < 0).all()


def test_coarse_subjects_fit_the_coarse_study(federation: Federation) -> None:
    for subjects in federation.members.values():
        for subject in subjects:
            assert subject.labels.shape == federation.study.grid.shape == subject.images.shape[1:]


def test_an_unpoisoned_federation_rejects_nobody_and_repeats_itself(federation: Federation) -> None:
    one = train(federation, "none", federation.study, checked=True)
    two = train(federation, "none", federation.study, checked=False)
    assert one.rejected == 0
    assert len(one.norms) == 2 * 3
    np.testing.assert_array_equal(flat(one.weights), flat(two.weights))


def test_unchecked_nan_ends_the_model_and_admission_saves_it(federation: Federation) -> None:
    assert np.isnan(flat(train(federation, "NaN", federation.study, checked=False).weights)).all()
    saved = train(federation, "NaN", federation.study, checked=True)
    assert np.isfinite(flat(saved.weights)).all()
    assert saved.rejected == 2


def test_what_the_norm_bound_rejects_is_as_if_absent(federation: Federation) -> None:
    study = settled(federation.study, update_norm_bound=10 * max(train(
        federation, "none", federation.study, checked=True).norms))
    big = train(federation, "×1000", study, checked=True)
    assert big.rejected == 2
    gone = train(federation, "NaN", study, checked=True)
    np.testing.assert_array_equal(flat(big.weights), flat(gone.weights))


def test_a_free_rider_who_repeats_himself_is_found_in_the_second_round(federation: Federation) -> None:
    assert train(federation, "free rider", federation.study, checked=True).rejected == 1


def test_the_whole_benchmark_has_every_cell_of_its_tables(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, Any] = {}

    def no_training(federation: Federation, name: str, study: Study, *, checked: bool) -> poison.Outcome:
        return poison.Outcome(weights_of(build_generator(study)), [1.0, 3.0, 5.0], int(checked and name == "NaN"))

    monkeypatch.setattr(poison, "train", no_training)
    monkeypatch.setattr(poison, "write_result", lambda name, figures, n, **_: written.update(figures))
    monkeypatch.setattr("sys.argv", ["poison", str(run.path), "--rounds", "1", "--steps", "1", "--subjects", "1"])
    assert poison.main() == 0
    assert (written["clip_norm"], written["update_norm_bound"], written["poisoned_site"]) == (3.0, 30.0, "a")
    for name in ("poison", "poison_rejected"):
        figure, rows, columns = TABLES[name].levels
        assert isinstance(rows, Rows)
        assert isinstance(columns, Columns)
        assert isinstance(figure, str)
        assert set(rows.keys) == set(POISONS)
        assert set(columns.headings) == set(RULES)
        for row in rows.keys:
            assert set(written[figure][row]) == set(RULES)
    assert written["rejected"]["NaN"] == {rule: int(rule != UNCHECKED) for rule in RULES}


def test_a_run_that_is_not_prepared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["poison", str(write_run(tmp_path / "raw", subjects=1).path)])
    with pytest.raises(SystemExit):
        poison.main()
    assert "prepare" in capsys.readouterr().err
