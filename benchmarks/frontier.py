"""The frontier: what synthetic images are worth over ε, patients a site, and what of the patients goes in.

Two simulated hospitals on a coarse grid (24×28×24 voxels of 6.5 mm) train the demo's network in one process, by the
private mode's own step, plan and account. Every cell's release has the same anatomies, is what a segmenter is trained
on, and is tested on the hospitals' test subjects. Beside the cells stand real-only, the lookup table, the public
simulator's own images and the publicly trained generator, of which none but the first knows a patient.

Each finished cell is kept in the folder: a run that was stopped goes on where it was.

    python -m benchmarks.frontier [FOLDER] [--quick] [--cells WORD ...] [--minutes N]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.arguments import at_least_one, run_benchmark
from benchmarks.frontier_cells import Bench
from benchmarks.frontier_figures import Measured, figures_of
from benchmarks.frontier_picture import FOLDER, draw
from benchmarks.frontier_study import QUICK, REAL, WHOLE, plan_cells
from benchmarks.kept_cells import measure_all
from benchmarks.results import RESULTS, write_result
from jobs.output import Talk
from privacy_eval.errors import InputError


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="of what is kept; default runs/frontier, quick "
                                                             "runs/frontier-quick")
    parser.add_argument("--quick", action="store_true", help="the same cells in short training, one segmenter each")
    parser.add_argument("--cells", nargs="+", default=[], metavar="WORD",
                        help="only cells whose file names hold one of these, beside those that are kept")
    parser.add_argument("--seeds", type=at_least_one, help="segmenters of each of these cells; default 3, quick 1")
    parser.add_argument("--minutes", type=float, help="begin no further cell after so many; what there is is told")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Measure the cells, write result and picture."""
    torch.set_num_threads(1)  # seconds are one core's
    quick = arguments.quick
    sizes = QUICK if quick else WHOLE
    sizes = replace(sizes, seeds=arguments.seeds or sizes.seeds)
    plan = plan_cells(sizes)
    bench = Bench(sizes, arguments.folder or Path("runs") / ("frontier-quick" if quick else "frontier"))
    found = measure_all(bench, plan, arguments.cells, arguments.minutes)
    tell(bench, found, len(plan), "frontier_quick" if quick else "frontier")
    return 0


def tell(bench: Bench, found: Measured, planned: int, name: str, results: Path = RESULTS,
         pictures: Path = FOLDER) -> None:
    """Write the result and the picture.

    Raises:
        InputError: if no real-only row is among the cells.
    """
    if not any(cell.method == REAL for cell in found):
        raise InputError("--cells: no real-only row is there, which the others are compared with; add 'real'")
    owners = np.array([site for site, subjects in bench.tests.items() for _ in subjects])
    figures, sizes = figures_of(found, owners), bench.sizes
    most = max(len(measured["segmenters"]) for measured in found.values())
    write_result(name, figures, {
        "sites": len(bench.tests), "test": len(owners), "holdout": len(bench.tests) * sizes.holdout,
        "released": sizes.volumes, "rounds": sizes.rounds, "generator steps a round": sizes.local_steps,
        "steps of the empirical mode": sizes.empirical_steps,
        "segmenter steps": sizes.segmenter_steps, "seeds at most": most, "cells": len(found), "cells planned": planned},
        simulated=True, folder=results, module="frontier")
    draw(figures["worth"], pictures / f"{name}.png")
    talk = Talk()
    for goal in figures["goals"]:
        talk.say(f"{goal['met']:15s} {goal['goal']} ({goal['best']})")


if __name__ == "__main__":
    sys.exit(main())
