from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.utility_cells import CENTRAL, NONE, Cell, full_plan
from benchmarks.utility_figures import ABSENT, FEDERATED, SHARE, Table, figures_of
from benchmarks.utility_goals import NOT_MEASURED, goals_of
from benchmarks.utility_images import BAD, BASELINES, NOTHING, RELEASE
from fl_components.evaluation.scores import Scores
from fl_components.vocabulary import REGIONS

SITES = ("north", "south")
OWNERS = np.repeat(["north", "south", "far"], [8, 4, 3])
SIZES = {"north": 30, "south": 10}
BASE = np.random.default_rng(0).uniform(0.6, 0.8, len(OWNERS))


def scores_of(gain: float) -> Scores:
    """Dice that is `gain` above the base for everybody."""
    return Scores({region: BASE + gain for region in REGIONS},  # noqa: C420 - an array of its own each
                  {region: 10 - BASE - gain for region in REGIONS}, np.zeros(len(OWNERS), bool))  # noqa: C420


def gain_of(cell: Cell) -> float:
    """A world in which every goal is met."""
    if cell.trained != CENTRAL:
        return {"north": -0.1, "south": -0.3}[cell.trained] + (0.25 if "synthetic" in cell.training_set else 0)
    if cell.images in (*BASELINES, *NOTHING, *BAD):
        return -0.2
    return {"real": 0.1, "10 % real": -0.1, "synthetic only": 0.09}.get(cell.training_set, 0.1)


def table(gain: Callable[[Cell], float] = gain_of) -> Table:
    plan = [cell for cell in full_plan(SITES, range(2)) if cell.augmented and cell.segmenter == "segresnet"]
    return Table({cell: scores_of(gain(cell) + 0.001 * (2 * cell.seed - 1)) for cell in plan}, OWNERS, "far")


def met(goals: list[dict[str, Any]]) -> dict[str, str]:
    return {goal["goal"]: goal["met"] for goal in goals}


def test_scores_are_of_the_studys_sites_and_the_mean_of_seeds() -> None:
    figures = figures_of(table(), SITES, None)
    row = next(row for row in figures["sets"] if row["set"] == "real" and row["augmentation"] == "usual")
    ours = BASE[OWNERS != "far"] + 0.1
    assert row["whole tumour"] == f"{ours.mean():.2f}/{ours.std(ddof=1):.2f}"
    assert row["difference, core"] == row[SHARE] == ABSENT  # of itself
    only = next(row for row in figures["sets"] if row["set"] == "synthetic only" and row["images"] == RELEASE)
    assert only["difference, core"]["estimate"] == pytest.approx(-0.01)
    assert only[SHARE]["estimate"] == pytest.approx((ours.mean() - 0.01) / ours.mean())
    assert (only["difference, core"]["n"], only["seeds"]) == (12, 2)
    assert only["between seeds"] == pytest.approx(0.002 / np.sqrt(2))


def test_one_segmenter_says_nothing_of_another_seed() -> None:
    everything = table()
    everything.rows = {row: scores[:1] for row, scores in everything.rows.items()}
    assert {row["between seeds"] for row in figures_of(everything, SITES, None)["sets"]} == {ABSENT}


def test_the_hospital_that_took_no_part_has_rows_of_its_own() -> None:
    rows = [row for row in figures_of(table(), SITES, None)["sites"] if row["set"] == "real"]
    assert [(row["site"], row["n"]) for row in rows] == [("north", 8), ("south", 4), ("far (took no part)", 3)]
    assert rows[2]["core"]["estimate"] == pytest.approx((BASE[-3:] + 0.1).mean())


def test_bad_generators_and_separating_experiments_have_a_table() -> None:
    names = [row["images"] for row in figures_of(table(), SITES, None)["images"]]
    assert set(BAD) < set(names)
    assert names[0] == RELEASE


def test_every_goal_is_met_where_it_is() -> None:
    found = met(goals_of(table(), SIZES, figures_of(table(), SITES, None)))
    assert NOT_MEASURED in found.values()  # federated
    assert "no" not in found.values()


def test_every_goal_is_missed_where_it_is() -> None:
    """Whatever is synthetic hurts, the release's most, and small sites gain least."""
    def worse(cell: Cell) -> float:
        if cell.trained != CENTRAL:
            return 0.1 if cell.trained == "north" and "synthetic" in cell.training_set else 0.0
        return {NONE: 0.0, RELEASE: -0.3}.get(cell.images, -0.1)

    found = met(goals_of(table(worse), SIZES, figures_of(table(worse), SITES, None)))
    assert set(found.values()) == {"no", NOT_MEASURED}


def test_what_was_not_measured_is_said() -> None:
    cell = Cell(CENTRAL, NONE, "real", True, "segresnet", 0)
    alone = Table({cell: scores_of(0)}, OWNERS, "far")
    found = met(goals_of(alone, SIZES, figures_of(alone, SITES, None)))
    assert set(found.values()) == {NOT_MEASURED}


def federated(gain: float) -> dict[str, Any]:
    """As `fedsynth evaluate` writes it."""
    ours = scores_of(gain).dice["core"][OWNERS != "far"]
    told = {"estimate": float(ours.mean()), "low": 0.0, "high": 1.0, "n": 12, "sites": {}}
    return {"segmenters": [{"segmenter": "segresnet", "augmented": True, "trained_on": "real", "seeds": 1,
                            "measure": measure, "region": region, "score": told, "difference": None}
                           for measure in ("dice", "hd95") for region in REGIONS]}


@pytest.mark.parametrize(("gain", "answer"), [(0.105, "yes"), (0.05, "no")])
def test_federated_scores_are_what_the_sites_told(gain: float, answer: str) -> None:
    figures = figures_of(table(), SITES, federated(gain))
    row = next(row for row in figures["trained"] if row["trained"] == FEDERATED)
    assert row["whole tumour"]["estimate"] == pytest.approx(BASE[OWNERS != "far"].mean() + gain)
    assert row["difference, core"] == ABSENT
    found = met(goals_of(table(), SIZES, figures))
    assert found[next(goal for goal in found if goal.startswith("federated"))] == answer


def test_federated_scores_of_other_test_subjects_are_not_compared() -> None:
    told = federated(0.105)
    for one in told["segmenters"]:
        one["score"]["n"] += 1
    found = met(goals_of(table(), SIZES, figures_of(table(), SITES, told)))
    assert found[next(goal for goal in found if goal.startswith("federated"))] == NOT_MEASURED


def test_a_region_of_one_subject_is_absent() -> None:
    lonely = table()
    for rows in lonely.rows.values():
        for one in rows:
            one.dice["enhancing"][1:] = np.nan
    figures = figures_of(lonely, SITES, None)
    assert figures["sets"][0]["enhancing"] == ABSENT
    assert figures["sites"][1]["enhancing"] == ABSENT
