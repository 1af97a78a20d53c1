"""How good the generator's images are on holdout subjects, given their anatomy and contrast.

Rows, per site and sequence: ours (the run's federated generator); ours trained centrally on the pooled members; the
same, central, without the contrast input; and the lookup table that paints each tissue with its contrast. The two
central ones take as many steps as the federation in total (sites × rounds × local steps), so that only the contrast
input differs between them. A fifth row is the generator before training: what its starting point alone gives.

Figures as in `fl_components.training.quality`, mean over subjects with a 95 % bootstrap interval over subjects.

    python -m benchmarks.quality [RUN] [--steps N] [--subjects N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.arguments import at_least_one, run_parser
from benchmarks.central import central_training
from benchmarks.hospitals import all_simulated, load_hospitals, pooled, site_masks
from benchmarks.intervals import interval_of_mean
from benchmarks.results import write_result
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.networks.build import build_generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.study import Study
from fl_components.training.quality import compare
from fl_components.vocabulary import SEQUENCES
from jobs.output import Advance, Talk
from privacy_eval.errors import InputError

OURS, CENTRAL, NO_CONTRAST = "ours, federated", "ours, central", "no contrast input, central"
LOOKUP, UNTRAINED = "lookup table", "untrained"
FIGURES: Final = ("l1", "tissue_error", "high_frequency_share", "texture_share")

Painter = Callable[[Subject], np.ndarray]
"""Makes images (4, X, Y, Z) of a subject's anatomy and contrast."""


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--steps", type=at_least_one,
                        help="of each central training; default: the federation's in total")
    parser.add_argument("--subjects", type=at_least_one, help="holdout subjects a site; default: all")
    arguments = parser.parse_args()
    try:
        return compare_all(arguments)
    except InputError as error:
        parser.error(str(error))


def compare_all(arguments: argparse.Namespace) -> int:
    """Train the two central controls, measure everybody, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    trained = run.server.load_generator()  # before anything long: it may be missing
    steps = arguments.steps or len(study.sites) * study.training.rounds * study.training.local_steps
    members = pooled(load_hospitals(run, "members"))
    blind = without_contrast_input(study)
    painters: dict[str, Painter] = {
        OURS: generator_painter(study, trained),
        CENTRAL: generator_painter(study, _train(study, members, steps, talk, CENTRAL)),
        NO_CONTRAST: generator_painter(blind, _train(blind, members, steps, talk, NO_CONTRAST)),
        UNTRAINED: generator_painter(study, weights_of(build_generator(study))),
        LOOKUP: lookup_painter}
    holdout = load_hospitals(run, "holdout", arguments.subjects)
    with talk.stage("Comparing with the holdout's scans") as advance:
        rows = {name: measure(painter, pooled(holdout), advance, name) for name, painter in painters.items()}
    figures = summarise(rows, site_masks(holdout))
    write_result("quality", {"sites": figures, "central_steps": steps}, {
        "members": len(members), **{f"holdout {site}": len(subjects) for site, subjects in holdout.items()}},
        study_hash=study.hash, simulated=all_simulated(run))
    _tell(figures, talk)
    return 0


def without_contrast_input(study: Study) -> Study:
    """The same study with a network that does not see the contrast."""
    return study.model_copy(update={"network": study.network.model_copy(update={"contrast_input": False})})


def generator_painter(study: Study, weights: Weights) -> Painter:
    """A generator as a painter; every subject gets the same noise."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), weights))
    return lambda subject: render(generator, subject.labels, subject.contrast, torch.Generator().manual_seed(0),
                                  precision)


def lookup_painter(subject: Subject) -> np.ndarray:
    """Each tissue with its contrast."""
    return paint(subject.labels, subject.contrast)


def measure(painter: Painter, subjects: Sequence[Subject], advance: Advance, name: str) -> np.ndarray:
    """(n subjects, figures, sequences), in the order of `FIGURES` and `SEQUENCES`."""
    rows = []
    for subject in subjects:
        found = compare(painter(subject), subject.images, subject.labels)
        rows.append([[found[figure][sequence] for sequence in SEQUENCES] for figure in FIGURES])
        advance(len(rows) / len(subjects), name)
    return np.array(rows)


def summarise(rows: dict[str, np.ndarray], sites: dict[str, np.ndarray]) -> dict[str, Any]:
    """By site (and "all"), by row, figure and sequence (and "mean" over them): mean with interval and n.

    Args:
        rows: what `measure` returned, by row.
        sites: which subjects are each site's, (n,) bool (`site_masks`).
    """
    return {site: {name: _figures(values[who]) for name, values in rows.items()} for site, who in sites.items()}


def _figures(values: np.ndarray) -> dict[str, Any]:
    return {figure: {"mean": interval_of_mean(values[:, index].mean(axis=1))}
            | {sequence: interval_of_mean(values[:, index, channel]) for channel, sequence in enumerate(SEQUENCES)}
            for index, figure in enumerate(FIGURES)}


def _train(study: Study, members: Sequence[Subject], steps: int, talk: Talk, title: str) -> Weights:
    with talk.stage(f"Training: {title}, {steps} steps") as advance, tempfile.TemporaryDirectory() as folder:
        return central_training(study, members, steps, study.seed, Path(folder) / "state.pt",
                                lambda done: advance(done / steps, ""))


def _tell(figures: dict[str, Any], talk: Talk) -> None:
    for site, rows in figures.items():
        for name, row in rows.items():
            cells = [f"{figure} {row[figure]['mean']['mean']:.3f} ({row[figure]['mean']['low']:.3f} to "
                     f"{row[figure]['mean']['high']:.3f})" for figure in FIGURES]
            talk.say(f"{site:8s} {name:26s} " + ", ".join(cells) + f", n = {row['l1']['mean']['n']}")


if __name__ == "__main__":
    sys.exit(main())
