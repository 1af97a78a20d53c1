"""What the images are worth: the seed paper's augmentation table on simulated hospitals, with its baselines.

Segmenters are trained on real members, on synthetic subjects and on both, and tested on the hospitals' test subjects
and on a hospital that took no part. Beside the release stand the lookup table, the public simulator, a generator that
saw no hospital, generators that are bad on purpose, and experiments that separate anatomies from images.

Every segmenter's scores are kept in `<run>/utility/<steps>-steps`: a run that was stopped goes on where it was.

    python -m benchmarks.utility [RUN] [--quick] [--steps 1000] [--seeds 3] [--cells WORD ...]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated, load_hospitals, pooled
from benchmarks.results import write_result
from benchmarks.utility_cells import Bench, Cell, full_plan, quick_plan
from benchmarks.utility_figures import Table, figures_of
from benchmarks.utility_goals import goals_of
from benchmarks.utility_images import Images
from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.simulate.hospital import DIALECT, SITE_NAMES, simulate_subject
from fl_components.cohort.subject import Subject
from fl_components.evaluation.admissible import (
    labels_of,
    released_volumes,
    require_disjoint,
    require_same_labels,
    require_tests,
)
from fl_components.evaluation.original import Original, read_originals
from fl_components.evaluation.scores import Scores
from fl_components.evaluation.training_sets import synthetic_subjects
from fl_components.json_file import read_json
from fl_components.site import DataSettings, Site
from fl_components.study import Study
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.workers import worker_pool
from privacy_eval.errors import InputError

ELSEWHERE: Final = 20
"""Subjects of the hospital that took no part, all of them test subjects."""
QUICK_STEPS, QUICK_TESTS, QUICK_COUNT = 600, 8, 100
STEPS: Final = 1000


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one segmenter, one seed, fewer steps and subjects")
    parser.add_argument("--steps", type=at_least_one, help=f"of every training; default {STEPS}, quick {QUICK_STEPS}")
    parser.add_argument("--seeds", type=at_least_one, help="segmenters a row; default 3, quick 1")
    parser.add_argument("--count", type=at_least_one,
                        help="synthetic subjects of each kind; default: as many as released")
    parser.add_argument("--cells", nargs="+", default=[], metavar="WORD",
                        help="only segmenters whose file names hold one of these, beside those that are kept")
    parser.add_argument("--minutes", type=float, help="begin no further segmenter after so many; what there is is told")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Train or find every cell, write the result."""
    run, talk, quick = arguments.run, Talk(), arguments.quick
    study = run.study()
    if not all_simulated(run):
        raise InputError(f"{run.path}: holds patients, whose scores stay at their site; use 'fedsynth evaluate', this "
                         "benchmark is for simulated hospitals")
    seeds = range(arguments.seeds or (1 if quick else 3))
    bench, elsewhere = prepare(run, study, arguments, talk)
    plan = (quick_plan if quick else full_plan)(list(study.sites), seeds)
    scores = train_all(bench, plan, talk, arguments.cells, arguments.minutes)
    name = "_".join(["utility", *(["private"] if study.privacy.private else []), *(["quick"] if quick else [])])
    table = Table(scores, np.array([site for site, subjects in bench.tests.items() for _ in subjects]), elsewhere)
    figures = figures_of(table, list(study.sites), federated_scores(run, original=not quick, talk=talk))
    figures["goals"] = goals_of(table, {site: len(subjects) for site, subjects in bench.members.items()}, figures)
    figures["scores"] = {cell.name: bench.record(cell) for cell in scores}
    write_result(name, figures, {
        "members": len(pooled(bench.members)), "test": len(pooled(bench.tests)), "synthetic": bench.images.count,
        "steps": bench.steps, "seeds at most": len(seeds), "cells": len(scores), "cells planned": len(plan)},
        study_hash=study.hash, simulated=True, module="utility")
    for goal in figures["goals"]:
        talk.say(f"{goal['met']:13s} {goal['goal']}: {_short(goal['figure'])}")
    return 0


def _short(figure: Any) -> str:  # noqa: ANN401 - an interval, a number or text
    if isinstance(figure, dict):
        return f"{figure['estimate']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}), n = {figure['n']}"
    return f"{figure:.3f}" if isinstance(figure, float) else str(figure)


def prepare(run: RunFolder, study: Study, arguments: argparse.Namespace, talk: Talk) -> tuple[Bench, str]:
    """Everybody to train on and to test on, checked; and the name of the hospital that took no part."""
    limit = QUICK_TESTS if arguments.quick else None
    members, tests = load_hospitals(run, "members"), load_hospitals(run, "test", limit)
    require_tests(tests)
    require_same_labels({site: labels_of([*members[site], *tests[site]]) for site in members})
    released = synthetic_subjects([(volume.images, volume.labels) for volume in released_volumes(run.release, study)])
    away = left_out_site(run, study)
    with talk.stage(f"A hospital that took no part, {away.name}") as advance:
        tests = tests | {away.name: left_out_subjects(away, study, limit, lambda share: advance(share, ""))}
    require_disjoint(members | {"the release": released}, tests)
    originals: list[Original | None] = []
    if not arguments.quick:
        with talk.stage("Reading the masks as drawn"):
            for site in (*run.sites(study), away):
                originals += read_originals(site, tests[site.name], study.grid)
    count = min(arguments.count or (QUICK_COUNT if arguments.quick else len(released)), len(released))
    images = Images(run, study, members, released, count)
    images.require_generators()
    steps = arguments.steps or (QUICK_STEPS if arguments.quick else STEPS)
    return Bench(study, members, images, tests, originals, steps, run.path / "utility" / f"{steps}-steps"), away.name


def federated_scores(run: RunFolder, *, original: bool, talk: Talk) -> dict[str, Any] | None:
    """What `fedsynth evaluate` wrote, if it scored on the same voxels: the scans' own (`original`), or the grid's."""
    path = run.evaluation / "evaluation.json"
    told = read_json(path) if path.exists() else None
    if told is None or told["settings"]["original_voxels"] == original:
        return told
    talk.say(f"{path}: scored on other voxels than this table; its rows are left out (`[evaluation] original_voxels`)")
    return None


def left_out_site(run: RunFolder, study: Study) -> Site:
    """A further simulated hospital, in the run folder, of which neither study nor training knows."""
    index = len(study.sites)
    if index >= len(SITE_NAMES):
        raise InputError(f"{run.study_file}: {index} sites, expected fewer than {len(SITE_NAMES)}: one is left out")
    folder = run.path / "utility" / "elsewhere"
    data = DataSettings(root=folder / "data", layout="brats", dialect=DIALECT, tumours="masked", simulated=True,
                        split_seed=index)
    return Site(name=SITE_NAMES[index], study=run.study_file, state=folder / "state", data=data)


def left_out_subjects(site: Site, study: Study, limit: int | None, on_share: Callable[[float], None]) -> list[Subject]:
    """All of its subjects; made and prepared if they are not there yet."""
    index = len(study.sites)
    for k in range(ELSEWHERE):
        simulate_subject(site.name, index, k, site.data.root, site.data.root.parent / "truth", study.seed)
        on_share((k + 1) / ELSEWHERE)
    with worker_pool() as pool:
        prepare_cohort(site, study, executor=pool)
    return list(islice(Cohort.load(site, study).anatomies(), limit))


def train_all(bench: Bench, plan: Sequence[Cell], talk: Talk, words: Sequence[str],
              minutes: float | None) -> dict[Cell, Scores]:
    """Scores of the plan's cells that are kept, wanted and begun in time.

    Args:
        bench: that trains them.
        plan: all cells.
        talk: progress.
        words: a cell is wanted if its name holds one of them, or if there are none.
        minutes: none is begun after so many.
    """
    found: dict[Cell, Scores] = {}
    started = time.monotonic()
    with talk.stage(f"{len(plan)} segmenters of {bench.steps} steps") as advance:
        for done, cell in enumerate(plan):
            late = minutes is not None and time.monotonic() - started >= 60 * minutes
            wanted = not late and (not words or any(word in cell.name for word in words))
            if not wanted and bench.kept(cell) is None:
                continue
            found[cell] = bench.scores(cell, lambda step, done=done, cell=cell: advance(  # type: ignore[misc]
                (done + step / bench.steps) / len(plan), cell.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
