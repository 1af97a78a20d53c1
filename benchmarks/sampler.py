"""Are sampled anatomies as varied as a site's: every measure and a detector, against patients' true and labelled ones.

The patients are simulated: their truth is what the simulator painted, put on the study's grid as scans are; the site's
is what the preparation labelled, tumour masks given. Against these, sampled anatomies are also scanned and labelled
again as patients are (`benchmarks.scanned_again`). A measure's AUC is the share of pairs in which the sampled anatomy
has more of it; a detector's is cross-validated (`fl_components.evaluation.detector`).

    python -m benchmarks.sampler [RUN] [--subjects N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated, load_hospitals
from benchmarks.labeller import read_patient, site_files
from benchmarks.results import quartiles, write_result
from benchmarks.scanned_again import scanned_again
from fl_components.anatomy.check import problems
from fl_components.anatomy.measures import MEASURES
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.anatomy.threads import one_blas_thread
from fl_components.cohort.simulate.hospital import site_profile
from fl_components.evaluation.anatomies import DETECTOR, AnatomyTable, compare_anatomies
from fl_components.study import Grid
from jobs.output import Talk
from privacy_eval.statistics.ranks import UStatistic, stratified_auc

PAIRS: Final = {"truth": ("truth", "sampled"), "labelled": ("labelled", "sampled"), "again": ("labelled", "again")}
"""Comparisons: whose patients' anatomies, and which sampled ones."""
_AGAIN: Final = 2
"""Seed word of anatomies that are scanned."""
CONFIDENCE = 0.975
"""Of each bound: together 95 %."""


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=at_least_one, default=40, help="of each site")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Sample as many anatomies as there are patients, compare, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    files = [case for site in run.sites(study) for case in site_files(site, arguments.subjects)]
    with talk.stage(f"The truth of {len(files)} patients") as advance:
        truth = []
        for case in files:
            patient = read_patient(*case, study.grid)
            truth.append(np.where(patient.brain, patient.truth, 0).astype(np.uint8))
            advance(len(truth) / len(files), "")
    labelled = [subject.labels for part in ("members", "holdout", "test")
                for subjects in load_hospitals(run, part).values() for subject in subjects]
    labelled = labelled[:: max(1, len(labelled) // len(files))]
    with talk.stage(f"Sampling {len(files)} anatomies"):
        sampled, seconds = sample(study.grid, len(files), study.seed)
    again = []
    with talk.stage(f"Scanning and labelling {len(files)} sampled anatomies") as advance:
        for k in range(len(files)):
            scanner, _ = site_profile(k % len(study.sites), study.seed)
            again.append(scanned_again(np.random.default_rng([study.seed, _AGAIN, k]), scanner, study.grid))
            advance(len(again) / len(files), "")
    figures = {"measures": compared(truth, labelled, sampled, again, study.grid), "seconds": quartiles(seconds)}
    write_result("sampler", figures, {"patients": len(truth), "labelled patients": len(labelled),
                                      "sampled": len(sampled), "sampled and labelled again": len(again)},
                 study_hash=study.hash, simulated=all_simulated(run))
    return 0


def sample(grid: Grid, count: int, seed: int) -> tuple[list[np.ndarray], list[float]]:
    """Anatomies as a release has them, those refused drawn again; and each one's seconds of this process."""
    sampler, sampled, seconds = AnatomySampler(grid), [], []
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        started = time.process_time()
        labels = sampler.sample(rng).labels
        seconds.append(time.process_time() - started)
        while problems(labels, grid):
            labels = sampler.sample(rng).labels
        sampled.append(labels)
    return sampled, seconds


def compared(truth: Sequence[np.ndarray], labelled: Sequence[np.ndarray], sampled: Sequence[np.ndarray],
             again: Sequence[np.ndarray], grid: Grid) -> dict[str, Any]:
    """For each measure: means of all, and AUCs of what is sampled against what is the patients' (`PAIRS`)."""
    with one_blas_thread():
        tables = {name: AnatomyTable.of(anatomies, grid) for name, anatomies in
                  (("truth", truth), ("labelled", labelled), ("sampled", sampled), ("again", again))}
        against = {name: compare_anatomies(tables[real], tables[ours]) for name, (real, ours) in PAIRS.items()}
    rows: dict[str, Any] = {}
    for name in (*MEASURES, DETECTOR):
        means = {} if name == DETECTOR else {
            kind: f"{table.measure(name).mean():.3g} ± {table.measure(name).std():.2g}"
            for kind, table in tables.items()}
        rows[name] = {**dict.fromkeys(tables, ""), **means,
                      **{f"auc_{kind}": interval(found[name]) for kind, found in against.items()}}
    return rows


def interval(found: UStatistic | None) -> dict[str, float]:
    """An AUC with its 95 % interval; both kinds of anatomies have every measure here."""
    assert found is not None
    estimate = stratified_auc([found], CONFIDENCE)
    return {"auc": estimate.value, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    raise SystemExit(main())
