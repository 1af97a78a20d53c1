"""Can a private step's two sides be told apart by their anatomies alone?

The discriminator sees a patient's anatomy beside the patient's scan, and a public anatomy beside a public image. If
anatomies alone gave the side away, it would learn nothing of images. So a classifier that sees anatomies only
(`fl_components.evaluation.detector`) is asked, at each site, which is which: patients, labelled as the site labels,
against public anatomies as they were sampled, as the mixture labels a rendering of them, and as the site would; and
once more with healthy tissue as one label on both sides. Other patients of the same site are the floor. Not shown is
what blunts every difference: a step warps both sides alike.

    python -m benchmarks.anatomy_detector [RUN] [--subjects 30] [--public 60]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated
from benchmarks.labeller import site_files
from benchmarks.results import write_result
from fl_components.anatomy.measures import MEASURES
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.anatomy.threads import one_blas_thread
from fl_components.cohort.labelling import Labels
from fl_components.cohort.prepare import prepare_case
from fl_components.evaluation.detector import anatomy_features, detect
from fl_components.evaluation.realism.resampling import CROSS_VALIDATED
from fl_components.study import Grid, Study
from fl_components.training.private.public import relabelled_anatomy
from fl_components.vocabulary import HEALTHY, WHITE_MATTER
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.statistics.ranks import UStatistic, stratified_auc, u_statistic

SAMPLED, MIXTURE, AS_SITES, FLOOR, MERGED = (
    "as sampled", "rendered, labelled by the mixture", "rendered, labelled as sites label",
    "other patients of the site", "as sampled, healthy tissue as one label")
_SHOWN: Final = 3
"""Measures that are named, those which tell most."""
_CONFIDENCE: Final = 0.975
"""Of each bound: together 95 %."""
_STREAM: Final = 71


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=at_least_one, default=30, help="patients a site, and as many others")
    parser.add_argument("--public", type=at_least_one, default=60, help="public anatomies of each kind")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Label, detect, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    with talk.stage("Labelling patients") as advance:
        patients = {}
        for done, site in enumerate(run.sites(study), 1):
            patients[site.name] = labelled_patients(run, study, site.name, 2 * arguments.subjects)
            advance(done / len(study.sites), site.name)
    with talk.stage("Sampling public anatomies"):
        public = public_anatomies(study, arguments.public)
    as_they_are, as_one = ({site: features(change(found), study.grid) for site, found in patients.items()}
                           for change in (list, merged))
    rows = compared(as_they_are, {name: features(found, study.grid) for name, found in public.items()})
    rows += compared(as_one, {MERGED: features(merged(public[SAMPLED]), study.grid)})[:1]
    figures = {"rows": rows}
    write_result("anatomy_detector", figures, {
        "patients a site": arguments.subjects, "sites": len(patients), "public anatomies": arguments.public},
        study_hash=study.hash, simulated=all_simulated(run))
    for row in figures["rows"]:
        found = row["all"]
        talk.say(f"{row['public']:36s} AUC {found['auc']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
    return 0


def labelled_patients(run: RunFolder, study: Study, name: str, count: int) -> list[np.ndarray]:
    """The site's first patients, labelled now as the site labels."""
    (site,) = (one for one in run.sites(study) if one.name == name)
    how = Labels(site.data.labelling, site.data.tumours)
    return [prepare_case(case, dialect, study.grid, how).labels for case, dialect, _ in site_files(site, count)]


def merged(anatomies: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Brain and tumour alone: all healthy tissue is white matter."""
    return [np.where(np.isin(labels, HEALTHY), WHITE_MATTER, labels).astype(np.uint8) for labels in anatomies]


def public_anatomies(study: Study, count: int) -> dict[str, list[np.ndarray]]:
    """The same anatomies in three forms."""
    def drawn(how: Labels | None) -> list[np.ndarray]:
        made = []
        for k in range(count):
            rng, share = np.random.default_rng([study.seed, _STREAM, k]), study.synthesis.tumour_share
            made.append(relabelled_anatomy(study.grid, rng, share, how) if how else AnatomySampler(study.grid).sample(
                rng, tumour=bool(rng.random() < share)).labels)
        return made

    return {SAMPLED: drawn(None), MIXTURE: drawn(Labels("mixture")), AS_SITES: drawn(Labels())}


def features(anatomies: Sequence[np.ndarray], grid: Grid) -> np.ndarray:
    """(n, F) of the detector."""
    with one_blas_thread():
        return np.stack([anatomy_features(labels, grid) for labels in anatomies])


def compared(patients: dict[str, np.ndarray], public: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row a kind of public anatomies, and the floor's: the AUC at each site and over all, with 95 % intervals.

    Args:
        patients: by site, (2n, F): the first half is compared, the second is the floor.
        public: by kind, (m, F).
    """
    rows = []
    for kind in (*public, FLOOR):
        pairs = {site: (ours, public.get(kind, others))
                 for site, (ours, others) in ((site, np.array_split(both, 2)) for site, both in patients.items())}
        found = {site: detect(ours, theirs) for site, (ours, theirs) in pairs.items()}
        rows.append({"public": kind, "all": _interval(list(found.values())),
                     **{site: _interval([one]) for site, one in found.items()},
                     "told by": _told_by(list(pairs.values()))})
    return rows


def _told_by(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """The measures whose own AUC over the sites is farthest from .5: above it, public anatomies have more."""
    aucs = {}
    for column, name in enumerate(MEASURES):
        there = [tuple(side[:, column][np.isfinite(side[:, column])] for side in pair) for pair in pairs]
        if all(len(side) for pair in there for side in pair):
            aucs[name] = stratified_auc([u_statistic(theirs, ours) for ours, theirs in there]).value
    most = sorted(aucs, key=lambda name: -abs(aucs[name] - 0.5))[:_SHOWN]
    return ", ".join(f"{name} {aucs[name]:.2f}" for name in most)


def _interval(found: Sequence[UStatistic]) -> dict[str, float]:
    """Widened for scores of cross-validation, which are correlated."""
    estimate = stratified_auc(found, _CONFIDENCE, CROSS_VALIDATED)
    return {"auc": estimate.value, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    sys.exit(main())
