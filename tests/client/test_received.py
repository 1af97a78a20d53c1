"""What a site accepts from its server: the study's start, then steps that an honest round could take."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import small_study

from fl_components.client.received import load_received, reach, require_plausible
from fl_components.guard.declaration import tensor_norm
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.aggregation import aggregate
from fl_components.study import Study
from privacy_eval.errors import InputError

SITES = {"a": 4.0, "b": 2.0, "c": 1.0}


def make_study(rounds: int = 5, seed: int = 7, **federation: object) -> Study:
    return Study.parse(small_study(sites=SITES, seed=seed, training={"rounds": rounds, "local_steps": 1},
                                   federation={"update_norm_bound": 0.5, **federation}), "test")


STUDY = make_study()
START = weights_of(build_generator(STUDY))


def moved(weights: Weights, length: float, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    step = {name: rng.standard_normal(value.shape).astype(np.float32) for name, value in weights.items()}
    scale = np.float32(length / tensor_norm(step))
    return {name: value + scale * step[name] for name, value in weights.items()}


def test_honest_rounds_pass_and_the_last_is_kept(tmp_path: Path) -> None:
    weights = START
    for number in range(5):
        require_plausible(weights, number, STUDY, tmp_path)
        kept = load_received(STUDY, tmp_path)
        assert kept is not None
        assert kept.round_number == number
        for name, value in weights.items():
            np.testing.assert_array_equal(kept.weights[name], value)
        weights = moved(weights, 0.5, number)


@pytest.mark.parametrize("start", [moved(START, 0.01), weights_of(build_generator(make_study(seed=8)))])
def test_round_one_must_bring_the_studys_own_start(tmp_path: Path, start: Weights) -> None:
    with pytest.raises(InputError, match="not the one the study's seed gives"):
        require_plausible(start, 0, STUDY, tmp_path)
    assert load_received(STUDY, tmp_path) is None


def test_a_jump_beyond_the_bound_is_refused_and_not_kept(tmp_path: Path) -> None:
    require_plausible(START, 0, STUDY, tmp_path)
    with pytest.raises(InputError, match=r"^round 2: .*moved by 0\.6 .*allow 0\.5;[^\n]*$"):
        require_plausible(moved(START, 0.6), 1, STUDY, tmp_path)
    require_plausible(moved(START, 0.5), 1, STUDY, tmp_path)  # measured from what was accepted


def test_a_site_that_missed_rounds_or_joins_late_allows_what_these_could_move(tmp_path: Path) -> None:
    require_plausible(moved(START, 1.5), 3, STUDY, tmp_path / "late")
    with pytest.raises(InputError, match=r"moved by 1\.6"):
        require_plausible(moved(START, 1.6), 3, STUDY, tmp_path / "later")
    require_plausible(START, 0, STUDY, tmp_path)
    require_plausible(moved(START, 1.0), 2, STUDY, tmp_path)


def test_after_a_restart_the_same_round_brings_the_same_weights_or_training_begins_anew(tmp_path: Path) -> None:
    second = moved(START, 0.4)
    require_plausible(second, 1, STUDY, tmp_path)
    require_plausible(second, 1, STUDY, tmp_path)
    with pytest.raises(InputError, match="allow 0;"):
        require_plausible(moved(second, 0.1), 1, STUDY, tmp_path)
    require_plausible(START, 0, STUDY, tmp_path)


def test_another_studys_weights_are_no_reference(tmp_path: Path) -> None:
    require_plausible(moved(START, 0.5), 1, STUDY, tmp_path)
    assert load_received(make_study(rounds=6), tmp_path) is None


@pytest.mark.parametrize("number", [-1, 5, 1000])
def test_no_more_rounds_than_agreed_on(tmp_path: Path, number: int) -> None:
    with pytest.raises(InputError, match="more than was agreed on"):
        require_plausible(START, number, STUDY, tmp_path)


def broken(kind: str) -> Weights:
    name = next(iter(START))
    changed = dict(START)
    if kind == "missing":
        del changed[name]
    else:
        changed[name] = {"shape": START[name][..., None], "type": START[name].astype(np.float64),
                         "nan": np.full_like(START[name], np.nan)}[kind]
    return changed


@pytest.mark.parametrize(("kind", "message"), [
    ("missing", "tensors, not the"), ("shape", "of shape"), ("type", "float64"), ("nan", "NaN")])
@pytest.mark.parametrize("number", [0, 1])
def test_other_forms_are_refused(tmp_path: Path, kind: str, message: str, number: int) -> None:
    with pytest.raises(InputError, match=message):
        require_plausible(broken(kind), number, STUDY, tmp_path)


def test_a_damaged_memory_is_said(tmp_path: Path) -> None:
    require_plausible(START, 0, STUDY, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"\0" * 10)
    with pytest.raises(InputError, match="measures from the study's start"):
        require_plausible(moved(START, 0.1), 1, STUDY, tmp_path)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), rule=st.sampled_from(["mean", "median", "trimmed_mean"]),
       clip=st.sampled_from([None, 0.2]))
def test_no_aggregate_of_admitted_updates_goes_beyond_the_reach(seed: int, rule: str, clip: float | None) -> None:
    """Few coordinates, so that a median may come near its bound."""
    study = make_study(aggregation=rule, clip_norm=clip)
    rng = np.random.default_rng(seed)
    updates = {}
    for site in SITES:
        values = rng.choice([0.0, 0.0, 1.0, -1.0, 3.0], 6).astype(np.float32) + np.float32(1e-9)
        updates[site] = {"x": values * np.float32(0.5 / max(np.linalg.norm(values), 1e-6))}
    assert tensor_norm(aggregate(study, updates, ["x"])) <= reach(study) * (1 + 1e-3)


def test_the_median_needs_the_wider_reach() -> None:
    """Three updates that agree in pairs: the median takes each pair's common coordinate."""
    study = make_study(aggregation="median")
    pairs = list(itertools.combinations(range(3), 2))
    updates = {site: {"x": np.zeros(3, np.float32)} for site in SITES}
    for coordinate, pair in enumerate(pairs):
        for index in pair:
            updates[list(SITES)[index]]["x"][coordinate] = 0.5 / np.sqrt(2)
    assert 0.5 < tensor_norm(aggregate(study, updates, ["x"])) <= reach(study)
