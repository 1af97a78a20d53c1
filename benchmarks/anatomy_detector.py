"""Can a private step's two sides be told apart by their anatomies alone?

The discriminator sees a patient's anatomy beside the patient's scan, and a public anatomy beside a public image. If
anatomies alone gave the side away, it would learn nothing of images. So a classifier that sees anatomies only
(`fl_components.evaluation.detector`) is asked, at each site, which is which: patients, labelled as the site labels,
against public anatomies as they were sampled, as the mixture labels a rendering of them, and as the site would. Other
patients of the same site are the floor. Not shown is what blunts every difference: a step warps both sides alike.

    python -m benchmarks.anatomy_detector [RUN] [--subjects 30] [--public 60]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmarks.hospitals import all_simulated, run_benchmark, run_parser
from benchmarks.labeller import site_files
from benchmarks.results import write_result
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.anatomy.threads import one_blas_thread
from fl_components.cohort.labelling import Labels
from fl_components.cohort.prepare import prepare_case
from fl_components.evaluation.detector import anatomy_features, detect
from fl_components.evaluation.realism.resampling import CROSS_VALIDATED
from fl_components.study import Grid, Study
from fl_components.training.private.public import relabelled_anatomy
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.statistics.ranks import UStatistic, stratified_auc

SAMPLED, MIXTURE, AS_SITES, FLOOR = ("as sampled", "rendered, labelled by the mixture",
                                     "rendered, labelled as sites label", "other patients of the site")
_CONFIDENCE: Final = 0.975
"""Of each bound: together 95 %."""
_STREAM: Final = 71


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=int, default=30, help="patients a site, and as many others")
    parser.add_argument("--public", type=int, default=60, help="public anatomies of each kind")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Label, detect, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    with talk.stage("Labelling patients") as advance:
        patients = {}
        for done, site in enumerate(run.sites(study), 1):
            patients[site.name] = features_of_site(run, study, site.name, 2 * arguments.subjects)
            advance(done / len(study.sites), site.name)
    with talk.stage("Sampling public anatomies"):
        public = {name: features(anatomies, study.grid)
                  for name, anatomies in public_anatomies(study, arguments.public).items()}
    figures = compared(patients, public)
    write_result("anatomy_detector", figures, {
        "patients a site": arguments.subjects, "sites": len(patients), "public anatomies": arguments.public},
        study_hash=study.hash, simulated=all_simulated(run))
    for row in figures["rows"]:
        found = row["all"]
        talk.say(f"{row['public']:36s} AUC {found['auc']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
    return 0


def features_of_site(run: RunFolder, study: Study, name: str, count: int) -> np.ndarray:
    """(n, F) of the site's first patients, labelled now as the site labels."""
    (site,) = (one for one in run.sites(study) if one.name == name)
    how = Labels(site.data.labelling, site.data.tumours)
    return features([prepare_case(case, dialect, study.grid, how).labels
                     for case, dialect, _ in site_files(site, count)], study.grid)


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


def compared(patients: dict[str, np.ndarray], public: dict[str, np.ndarray]) -> dict[str, Any]:
    """A row a kind of public anatomies: the AUC at each site and over all, with 95 % intervals.

    Args:
        patients: by site, (2n, F): the first half is compared, the second is the floor.
        public: by kind, (m, F).
    """
    rows = []
    for kind in (*public, FLOOR):
        found = {}
        for site, both in patients.items():
            ours, others = np.array_split(both, 2)
            found[site] = detect(ours, public.get(kind, others))
        rows.append({"public": kind, "all": _interval(list(found.values())),
                     **{site: _interval([one]) for site, one in found.items()}})
    return {"rows": rows}


def _interval(found: Sequence[UStatistic]) -> dict[str, float]:
    """Widened for scores of cross-validation, which are correlated."""
    estimate = stratified_auc(found, _CONFIDENCE, CROSS_VALIDATED)
    return {"auc": estimate.value, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    sys.exit(main())
