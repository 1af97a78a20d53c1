"""A site masks each round once, and tells its seed once, for one set of sites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import small_study

from fl_components.client.masked_rounds import MaskedRounds
from fl_components.guard.secure_sum import MaskKey
from fl_components.study import Study
from privacy_eval.errors import InputError

SITES = ("east", "north", "south", "west")
STUDY = Study.parse(small_study(sites=dict.fromkeys(SITES, 1.0), federation={"secure_aggregation": True}), "test")


Fields = dict[str, np.ndarray]


def question(rounds: MaskedRounds, sites: tuple[str, ...] = SITES, weight: float = 0.0) -> tuple[Fields, Fields]:
    """Weights, and everybody's keys."""
    return {"w": np.full(3, weight, np.float32)}, {**{site: MaskKey().public for site in sites}, "east": rounds.public}


def test_seeds_are_new_each_round_and_told_once(tmp_path: Path) -> None:
    rounds = MaskedRounds()
    made = [rounds.masking(*question(rounds), number, STUDY, tmp_path) for number in (0, 1)]
    assert made[0].seed != made[1].seed
    assert bytes(rounds.reveal(1, STUDY, tmp_path)) == made[1].seed
    for closed in (1, 2):
        with pytest.raises(InputError, match="which is not open in this job"):
            rounds.reveal(closed, STUDY, tmp_path)
    assert bytes(rounds.reveal(0, STUDY, tmp_path)) == made[0].seed


def test_a_seed_of_another_job_is_not_told(tmp_path: Path) -> None:
    rounds = MaskedRounds()
    rounds.masking(*question(rounds), 0, STUDY, tmp_path)
    with pytest.raises(InputError, match="not open"):
        MaskedRounds().reveal(0, STUDY, tmp_path)


@pytest.mark.parametrize(("told", "sites", "weight", "round_number", "answered"), [
    (True, SITES, 0.0, 0, True), (True, SITES[:3], 0.0, 0, False), (False, SITES[:3], 0.0, 0, True),
    (True, SITES[:3], 1.0, 0, True), (True, SITES[:3], 0.0, 1, True)])
def test_the_same_question_is_summed_over_the_same_sites(tmp_path: Path, told: bool, sites: tuple[str, ...],
                                                         weight: float, round_number: int, answered: bool) -> None:
    """Another job, later: only if no seed was told may others be summed; other weights are another question."""
    first, second = MaskedRounds(), MaskedRounds()
    first.masking(*question(first), 0, STUDY, tmp_path)
    if told:
        first.reveal(0, STUDY, tmp_path)
    if answered:
        assert second.masking(*question(second, sites, weight), round_number, STUDY, tmp_path)
    else:
        with pytest.raises(InputError, match="round 1 was summed over east, north, south, west"):
            second.masking(*question(second, sites, weight), round_number, STUDY, tmp_path)
