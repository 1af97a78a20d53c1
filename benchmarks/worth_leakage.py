"""Worth and leakage on one plot: what a generator's images teach a segmenter, and how far it betrays its members.

Over training length, width, augmentation and number of members, one varied at a time from the run's own study: Dice of
a segmenter trained on the synthetic images alone, and the texture share, against the AUC of T4 (reconstruction, for who
holds the generator) and T1 (distance to the nearest released volume, for who holds the images), members against
holdout. Beside them a generator that learned few members by heart, which T4 must show, the lookup table, and the real
members. The recipe's generator is the run's; the others are trained in one process by the job's own rounds, and every
release is what `synthesize` would have written: the same anatomies, other images.

Each finished cell is kept in `<run>/worth_leakage`: a run that was stopped goes on where it was.

    python -m benchmarks.worth_leakage [RUN] [--quick] [--cells WORD ...] [--minutes N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.arguments import run_benchmark, run_parser
from benchmarks.frontier_figures import ABSENT, dice_of
from benchmarks.frontier_picture import FOLDER
from benchmarks.hospitals import all_simulated
from benchmarks.intervals import interval_of_mean
from benchmarks.kept_cells import measure_all
from benchmarks.results import RESULTS, write_result
from benchmarks.worth_leakage_cells import Bench
from benchmarks.worth_leakage_picture import draw
from benchmarks.worth_leakage_plan import BASELINES, QUICK, RECIPE, WHOLE, Cell, full_plan, quick_plan
from fl_components.evaluation.compare import difference, mean_score
from fl_components.vocabulary import REGIONS
from jobs.output import Talk
from privacy_eval.errors import InputError

Found = Mapping[Cell, Mapping[str, Any]]
"""What `Bench.measure` found, by cell, in the plan's order."""

TESTS: Final = ("T4", "T1")


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="seven cells, one short segmenter each")
    parser.add_argument("--cells", nargs="+", default=[], metavar="WORD",
                        help="only cells whose file names hold one of these, beside those that are kept")
    parser.add_argument("--minutes", type=float, help="begin no further cell after so many; what there is is told")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Measure the cells, write result and picture."""
    torch.set_num_threads(1)  # seconds are one core's
    run = arguments.run
    if not all_simulated(run):
        raise InputError(f"{run.path}: holds patients, whose scores stay at their site; this benchmark is for "
                         "simulated hospitals")
    if run.study().privacy.private:
        raise InputError(f"{run.study_file}: a private study; its frontier is 'python -m benchmarks.frontier'")
    plan, sizes = (quick_plan(), QUICK) if arguments.quick else (full_plan(), WHOLE)
    bench = Bench(run, sizes)
    found = measure_all(bench, plan, arguments.cells, arguments.minutes)
    tell(bench, found, len(plan), "worth_leakage_quick" if arguments.quick else "worth_leakage")
    return 0


def tell(bench: Bench, found: Found, planned: int, name: str, results: Path = RESULTS, pictures: Path = FOLDER) -> None:
    """Write the result and the picture.

    Raises:
        InputError: if the recipe is not among the cells.
    """
    if RECIPE not in found:
        raise InputError("--cells: the study's recipe is not there, which the others are compared with; add 'recipe'")
    owners = np.array([site for site, subjects in bench.tests.items() for _ in subjects])
    rows, sizes = rows_of(found, owners), bench.sizes
    write_result(name, {"cells": rows}, {
        "sites": len(bench.tests), "test": len(owners), "released": len(bench.anatomies),
        "segmenter steps": sizes.steps, "segmenters a cell": sizes.seeds, "trainings of a generator a cell": 1,
        "cells": len(found), "cells planned": planned},
        study_hash=bench.study.hash, simulated=True, folder=results, module="worth_leakage")
    draw(rows, pictures / f"{name}.png")
    talk = Talk()
    for row in rows:
        talk.say(f"{row['factor']:13s} {row['value']:18s} Dice {_short(row['mean'])}, "
                 + ", ".join(f"{test} {_short(row[test])}" for test in TESTS))


def rows_of(found: Found, owners: np.ndarray) -> list[dict[str, Any]]:
    """A row a cell, as `benchmarks.tables` takes it: Dice by region and over regions, texture, both tests' AUC.

    Args:
        found: by cell, the recipe among them.
        owners: (n,) the site of each test subject.
    """
    recipe, rows = dice_of(found[RECIPE]), []
    for cell, measured in found.items():
        dice, attacks = dice_of(measured), measured["attacks"]
        row: dict[str, Any] = {"factor": cell.factor, "value": cell.value, "members": measured["members"],
                               "steps": measured["steps"] or ABSENT}
        row |= {region: mean_score(dice_of(measured, region), owners).as_dict() for region in REGIONS}
        row["mean"] = mean_score(dice, owners).as_dict()
        row["− recipe"] = ABSENT if cell == RECIPE else difference(dice, recipe, owners).as_dict()
        row["texture"] = interval_of_mean(np.array(measured["texture"])) if measured["texture"] else ABSENT
        row |= {test: attacks.get(test, ABSENT) for test in TESTS}
        row["n_holdout"] = attacks["T1"]["n_holdout"] if attacks else ABSENT
        here = cell != RECIPE and cell not in BASELINES  # the recipe's was trained by the run
        rows.append(row | {"seconds_training": measured["seconds"]["training"] if here else ABSENT,
                           "seconds_all": measured["seconds"]["all"]})
    return rows


def _short(figure: Mapping[str, Any] | str) -> str:
    if isinstance(figure, str):
        return figure
    return f"{figure.get('estimate', figure.get('auc')):.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
