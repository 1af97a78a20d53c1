from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import small_study

from fl_components.evaluation.arms import Arm, arm_of, arms_of, first_rounds
from fl_components.evaluation.rounds import part_of
from fl_components.evaluation.settings import REAL, Segmenter, TrainedOn
from fl_components.evaluation.training_sets import TRAINING_SETS, TrainingSet
from fl_components.networks.segmenter import ARCHITECTURES, Architecture
from fl_components.study import Study
from privacy_eval.errors import InputError


def study(**evaluation: object) -> Study:
    return Study.parse(small_study(evaluation=evaluation), "test")


WHOLE = study(segmenters=list(ARCHITECTURES), sets=["synthetic only", "real", "10 % real"], augmentation=[False, True],
              seeds=[3, 1], rounds=5, steps=2)


def test_a_study_names_segmenters_and_sets_as_they_are_trained() -> None:
    assert get_args(Segmenter) == get_args(Architecture)
    assert set(get_args(TrainedOn)) == set(get_args(TrainingSet)) == set(TRAINING_SETS)


def test_every_combination_is_an_arm_after_its_reference_and_its_earlier_seeds() -> None:
    arms = arms_of(WHOLE)
    assert len(arms) == len(set(arms)) == 2 * 2 * 2 * 3
    for index, arm in enumerate(arms):
        assert arms.index(arm.reference) <= index
        assert arm.reference.trained_on == REAL
        assert (arm.reference == arm) == (arm.trained_on == REAL)
        for earlier in WHOLE.evaluation.seeds[:WHOLE.evaluation.seeds.index(arm.seed)]:
            assert arms.index(Arm(arm.segmenter, arm.augmented, earlier, arm.trained_on)) < index


@given(st.integers(0, len(arms_of(WHOLE)) * 5 - 1))
def test_a_round_is_of_one_arm(number: int) -> None:
    arm, within = arm_of(WHOLE, number)
    assert arms_of(WHOLE).index(arm) * 5 + within == number
    assert 0 <= within < 5


@pytest.mark.parametrize("number", [-1, 24 * 5])
def test_no_more_rounds_than_agreed_on(number: int) -> None:
    with pytest.raises(InputError, match="more than was agreed on"):
        arm_of(WHOLE, number)


def test_the_first_rounds_are_of_each_segmenter() -> None:
    assert [arm_of(WHOLE, number)[0].segmenter for number in first_rounds(WHOLE)] == list(ARCHITECTURES)


@pytest.mark.parametrize("name", TRAINING_SETS)
@pytest.mark.parametrize("rounds", [2, 5, 12])
def test_phases_change_between_rounds_and_every_phase_has_one(name: TrainingSet, rounds: int) -> None:
    parts = [part_of(Arm("segresnet", True, 0, name), within, rounds) for within in range(rounds)]
    assert list(dict.fromkeys(part.phase for part in parts)) == list(TRAINING_SETS[name])
    for phase in TRAINING_SETS[name]:
        own = [part for part in parts if part.phase == phase]
        assert [part.done for part in own] == list(range(len(own)))
        assert {part.rounds for part in own} == {len(own)}


@pytest.mark.parametrize(("settings", "words"), [
    ({"sets": ["synthetic only"]}, "lack 'real'"), ({"seeds": [1, 1]}, "names one twice"), ({"rounds": 1}, "rounds"),
    ({"sets": ["real", "imagined"]}, "evaluation.sets.1"), ({"segmenters": []}, "evaluation.segmenters")])
def test_what_cannot_be_compared_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        study(**settings)
