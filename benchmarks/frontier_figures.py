"""The frontier's figures, row by row, as `benchmarks.tables` takes them, and its goals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy.stats import DegenerateDataWarning

from benchmarks.frontier_cells import GROUPS
from benchmarks.frontier_study import GENERATOR, LITTLE, NOTHING, REAL, SIMULATOR, Cell
from fl_components.evaluation.compare import difference, mean_score, ratio
from fl_components.vocabulary import REGIONS

Measured = Mapping[Cell, Mapping[str, Any]]
"""What `Bench.measure` found, by cell."""

ABSENT: Final = "–"
"""In a table: it does not apply."""
NO_GAP: Final = "no gap"
"""In a table: the public simulator's images are as good as real ones, so there is nothing to close."""
BELOW: Final = Cell(GENERATOR, 0.0, 0)
"""The same generator without any patient."""
OUTSIDE: Final = Cell(SIMULATOR, 0.0, 0)
"""What the gap between hospitals and public knowledge is measured from."""
GOALS: Final = ((3.0, 0.90), (8.0, 0.95))
"""At most this ε, at least this share of real-only Dice; with `GOAL_PATIENTS` a site."""
GOAL_PATIENTS: Final = 100


def figures_of(found: Measured, owners: np.ndarray) -> dict[str, Any]:
    """All tables.

    Args:
        found: by cell, in the plan's order; its real-only rows among them.
        owners: (n,) the site of each test subject.
    """
    return {"worth": [_worth(found, cell, owners) for cell in found],
            "images": [_images(cell, found[cell]) for cell in found],
            "attacks": [_attacks(cell, found[cell]) for cell in found],
            "cost": [_cost(cell, found[cell]) for cell in found if cell.learns and not cell.random],
            "goals": goals_of(found, owners)}


def dice_of(measured: Mapping[str, Any], region: str | None = None) -> np.ndarray:
    """(n,) of the test subjects, means over segmenters: of a region, nan where it is lacking, or the mean over the
    regions that there are."""
    regions = [region] if region else list(REGIONS)
    values = np.array([[one[name] for name in regions] for one in measured["segmenters"]], float).mean(axis=0)
    return np.nanmean(values, axis=0) if region is None else values[0]


def between_seeds(measured: Mapping[str, Any]) -> float | str:
    """Standard deviation over segmenters of their mean Dice; `ABSENT` of one. Intervals over subjects lack it."""
    means = [dice_of({"segmenters": [one]}).mean() for one in measured["segmenters"]]
    return float(np.std(means, ddof=1)) if len(means) > 1 else ABSENT


def reference(found: Measured, cell: Cell) -> Cell:
    """Real-only with as many patients as the cell has; with the goals' number, or the most, where it has none."""
    real = [one for one in found if one.method == REAL]
    same = [one for one in real if one.patients == (cell.patients or GOAL_PATIENTS)]
    return same[0] if same else max(real, key=lambda one: one.patients)


def goals_of(found: Measured, owners: np.ndarray) -> list[dict[str, Any]]:
    """Each goal with the best cell within its ε: its share of real-only, and what it adds to the best at ε = 0.

    A cell at `LITTLE` stands with those at ε = 0: what noise alone gains is no goal of patients' data.
    """
    rows: list[dict[str, Any]] = []
    free = max((cell for cell in found if cell.method in NOTHING or cell.epsilon == LITTLE),
               key=lambda cell: dice_of(found[cell]).mean(), default=None)
    for epsilon, share in GOALS:
        within = [cell for cell in found
                  if cell.learns and cell.patients == GOAL_PATIENTS and LITTLE < cell.epsilon <= epsilon]
        if not within:
            continue
        best = max(within, key=lambda cell: dice_of(found[cell]).mean())
        real, ours = dice_of(found[reference(found, best)]), dice_of(found[best])
        shares = _share(ours, real, owners)
        rows.append({"goal": f"ε ≤ {epsilon:g}: at least {share:.0%} of real-only", "best": _called(best),
                     "figure": shares, "met": _met(shares, share)})
        if free is not None:
            more = difference(ours, dice_of(found[free]), owners).as_dict()
            rows.append({"goal": f"ε ≤ {epsilon:g}: better than the best at ε ≤ {LITTLE:g}, {free.called}",
                         "best": _called(best), "figure": more, "met": _met(more, 0.0)})
    return rows


def _called(cell: Cell) -> str:
    return f"{cell.called}, ε = {cell.epsilon:g}"


def _share(ours: np.ndarray, whole: np.ndarray, owners: np.ndarray) -> dict[str, Any] | str:
    """With its interval; absent where the whole is nothing, as after a training of few steps."""
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = ratio(ours, whole, owners).as_dict()
    return found if np.isfinite([found["estimate"], found["low"], found["high"]]).all() else ABSENT


def _met(interval: Mapping[str, Any] | str, wanted: float) -> str:
    if isinstance(interval, str):
        return "cannot be told"
    if interval["low"] >= wanted:
        return "met"
    return "missed" if interval["high"] < wanted else "cannot be told"


def _worth(found: Measured, cell: Cell, owners: np.ndarray) -> dict[str, Any]:
    """Dice by region, and its mean over regions beside real-only, ε = 0 and the gap to the public simulator."""
    own, real = found[cell], found[reference(found, cell)]
    row: dict[str, Any] = {**cell.words, "seeds": len(own["segmenters"]), "between seeds": between_seeds(own)}
    for region in REGIONS:
        row[region] = mean_score(dice_of(own, region), owners).as_dict()
        row[f"{region} ÷ real"] = ABSENT if own is real else _share(
            dice_of(own, region), dice_of(real, region), owners)
    mean, of_real = dice_of(own), dice_of(real)
    row["÷ real"] = ABSENT if own is real else _share(mean, of_real, owners)
    row["− ε = 0"] = row["gap closed"] = ABSENT
    if BELOW in found and cell != BELOW:
        row["− ε = 0"] = difference(mean, dice_of(found[BELOW]), owners).as_dict()
    if OUTSIDE in found and cell != OUTSIDE and own is not real:
        outside = dice_of(found[OUTSIDE])
        there = difference(of_real, outside, owners).low > 0
        row["gap closed"] = _share(mean - outside, of_real - outside, owners) if there else NO_GAP
    return row


def _images(cell: Cell, measured: Mapping[str, Any]) -> dict[str, Any]:
    return {**cell.words, "contrast": measured["contrast"], **{name: measured["realism"][name] for name in GROUPS}}


def _attacks(cell: Cell, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Of every cell: what knows no patient says how far chance goes on these members, the members themselves how far
    an attack can."""
    attacks = measured["attacks"]
    return {**cell.words, **{name: attacks.get(name, ABSENT) for name in ("T4", "T1")},
            "n_members": attacks["T1"]["n_members"], "n_holdout": attacks["T1"]["n_holdout"]}


def _cost(cell: Cell, measured: Mapping[str, Any]) -> dict[str, Any]:
    spent = measured["spent"].values()
    return {**cell.words, "spent": max(spent) if spent else ("∞" if math.isinf(cell.epsilon) else ABSENT),
            "noise": measured["noise"] or ABSENT, "seconds": measured["seconds"], "mib": measured["mib"]}
