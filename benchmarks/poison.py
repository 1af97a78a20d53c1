"""What one poisoned site of a federation does to the images, by what the server does about it.

The sites of a run train as they do under NVFlare, but in this process and on every second voxel of their subjects, with
a small network. The site with the largest weight poisons every one of its updates; the server checks nothing, or admits
and takes the study's mean, the mean of clipped updates, the median, or the trimmed mean. Per site, the error of tissue
medians (`fl_components.training.quality.tissue_error`) on its test subjects, given their anatomy and contrast.

`clip_norm` is the median norm of the sites' updates in a federation that nobody poisons; `update_norm_bound` is ten
times that.

    python -m benchmarks.poison [RUN] [--rounds N] [--steps N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.arguments import at_least_one, run_parser
from benchmarks.hospitals import Hospitals, all_simulated, load_hospitals, pooled
from benchmarks.intervals import interval_of_mean
from benchmarks.quality import generator_painter
from benchmarks.results import write_result
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.guard.declaration import TRAINING_SCALARS, tensor_norm
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.admission import Admission
from fl_components.server.aggregation import aggregate
from fl_components.server.ask import Replies
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from fl_components.training.quality import tissue_error
from jobs.output import Talk
from privacy_eval.errors import InputError

Poison = Callable[[Weights, Study], Weights]
"""What the poisoned site sends instead of its update."""


def scaled(factor: float) -> Poison:
    return lambda update, _: {name: np.float32(factor) * value for name, value in update.items()}


def just_admitted(update: Weights, study: Study) -> Weights:
    """As long as the study admits, and away from where training goes."""
    return scaled(-0.999 * study.federation.update_norm_bound / tensor_norm(update))(update, study)


def not_a_number(update: Weights, _: Study) -> Weights:
    return {name: np.full_like(value, np.nan) for name, value in update.items()}


POISONS: Final[dict[str, Poison]] = {
    "none": scaled(1), "NaN": not_a_number, "×1000": scaled(1000), "sign flip": scaled(-1), "free rider": scaled(0),
    "largest admitted, flipped": just_admitted}

UNCHECKED: Final = "mean, nothing checked"
RULES: Final[dict[str, dict[str, object]]] = {
    UNCHECKED: {}, "mean": {}, "mean, clipped": {"clip_norm": True}, "median": {"aggregation": "median"},
    "trimmed mean": {"aggregation": "trimmed_mean"}}
"""By name, what it changes in `federation`; a `clip_norm` is filled in."""


MARGIN: Final = 10.0
"""The norm bound over the clip norm."""

FIGURES: Final = ("error", "error_others", "rejected")


class Federation(NamedTuple):
    """A study and its sites' members, coarse; `poisoned` is the site whose updates are not its own."""

    study: Study
    members: Hospitals
    poisoned: str


class Outcome(NamedTuple):
    """The smoothed generator, the norms of all honest updates, and how many updates were rejected."""

    weights: Weights
    norms: list[float]
    rejected: int


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument("--steps", type=at_least_one, default=7, help="local steps of a site and round")
    parser.add_argument("--members", type=at_least_one, default=40, help="at most so many a site train")
    parser.add_argument("--subjects", type=at_least_one, default=10, help="test subjects a site, at most")
    arguments = parser.parse_args()
    try:
        return measure_all(arguments)
    except InputError as error:
        parser.error(str(error))


def measure_all(arguments: argparse.Namespace) -> int:
    """Train under every poison and rule, write the result."""
    run, talk = arguments.run, Talk()
    study = coarse_study(run.study(), arguments.rounds, arguments.steps)
    federation = Federation(study, coarse(load_hospitals(run, "members", arguments.members)),
                            max(study.sites, key=study.weight))
    test = coarse(load_hospitals(run, "test", arguments.subjects))
    clean = train(federation, "none", study, checked=True)
    clip_norm = float(np.median(clean.norms))
    federation = federation._replace(study=settled(study, update_norm_bound=MARGIN * clip_norm))
    table: dict[str, dict[str, Any]] = {figure: {poison: {} for poison in POISONS} for figure in FIGURES}
    with talk.stage("Training with a poisoned site") as advance:
        for index, (poison, rule) in enumerate(cells := [(poison, rule) for poison in POISONS for rule in RULES]):
            found = measured(federation, test, poison, rule, clip_norm)
            for figure in FIGURES:
                table[figure][poison][rule] = found[figure]
            advance((index + 1) / len(cells), f"{poison}; {rule}")
    untrained = tissue_errors(study, weights_of(build_generator(study)), pooled(test))
    facts = {"clip_norm": clip_norm, "largest_honest_norm": max(clean.norms), "update_norm_bound": MARGIN * clip_norm,
             "poisoned_site": federation.poisoned, "poisoned_weight": study.weight(federation.poisoned),
             "untrained": interval_of_mean(untrained)}
    counts = {"sites": len(study.sites), "rounds": arguments.rounds, "local steps": arguments.steps,
              "members": len(pooled(federation.members)), "test subjects": len(pooled(test))}
    write_result("poison", table | facts, counts, study_hash=run.study().hash, simulated=all_simulated(run))
    return 0


def coarse_study(study: Study, rounds: int, steps: int) -> Study:
    """The study at twice its spacing, with a small network and a short training."""
    grid = study.grid.model_copy(update={"shape": tuple((size + 1) // 2 for size in study.grid.shape),
                                         "spacing_mm": 2 * study.grid.spacing_mm})
    network = study.network.model_copy(update={"generator_channels": (4, 8), "discriminator_channels": 4,
                                               "latent_size": 4})
    training = study.training.model_copy(update={"rounds": rounds, "local_steps": steps, "precision": "float32",
                                                  "augmentation": None})
    return study.model_copy(update={"grid": grid, "network": network, "training": training})


def settled(study: Study, **changes: object) -> Study:
    """The study with other settings of its federation."""
    return study.model_copy(update={"federation": study.federation.model_copy(update=changes)})


def coarse(hospitals: Hospitals) -> Hospitals:
    """Every second voxel of every subject, its contrast measured anew."""
    return {site: [_thinned(subject) for subject in subjects] for site, subjects in hospitals.items()}


def _thinned(subject: Subject) -> Subject:
    images, labels = subject.images[:, ::2, ::2, ::2].copy(), subject.labels[::2, ::2, ::2].copy()
    return Subject(subject.name, images, labels, measure_contrast(images, labels))


def measured(federation: Federation, test: Hospitals, poison: str, rule: str, clip_norm: float) -> dict[str, Any]:
    """`error` over all test subjects, `error_others` over those of the sites not poisoned, `rejected` updates."""
    changes = {key: clip_norm if key == "clip_norm" else value for key, value in RULES[rule].items()}
    study = settled(federation.study, **changes)
    outcome = train(federation, poison, study, checked=rule != UNCHECKED)
    errors = tissue_errors(study, outcome.weights, pooled(test))
    owners = np.array([site for site, subjects in test.items() for _ in subjects])
    return {"error": interval_of_mean(errors), "rejected": outcome.rejected,
            "error_others": interval_of_mean(errors[owners != federation.poisoned])}


def train(federation: Federation, poison: str, study: Study, *, checked: bool) -> Outcome:
    """What the server's controller does in a job, with the sites in this process.

    Args:
        federation: who trains.
        poison: what the poisoned site does to its updates, a key of `POISONS`.
        study: gives the rule; its recipe is the federation's.
        checked: whether updates go through admission.
    """
    weights = smoothed = weights_of(build_generator(study))
    admission, norms, decay = Admission(study), list[float](), np.float32(study.training.ema_decay)
    with tempfile.TemporaryDirectory() as folder, np.errstate(invalid="ignore", over="ignore"):
        sites = {site: LocalTrainer(study, members, Path(folder) / f"{site}.pt", seed)
                 for seed, (site, members) in enumerate(federation.members.items())}
        for number in range(study.training.rounds):
            updates = {site: trainer.train(weights, number, study.training.local_steps).update
                       for site, trainer in sites.items()}
            norms += [tensor_norm(update) for site, update in updates.items() if site != federation.poisoned]
            updates[federation.poisoned] = POISONS[poison](updates[federation.poisoned], study)
            admitted = admission.admit(number, Replies(with_losses(updates), [], [])) if checked else updates
            change = aggregate(study, admitted, weights)
            weights = {name: weights[name] + change[name] for name in weights}
            smoothed = weights if number == 0 else {
                name: decay * smoothed[name] + (1 - decay) * weights[name] for name in weights}
    return Outcome(smoothed, norms, len(admission.rejected))


def with_losses(updates: Mapping[str, Weights]) -> dict[str, dict[str, np.ndarray]]:
    """Updates as they are declared: three losses beside the tensors."""
    return {site: update | {name: np.zeros(()) for name in TRAINING_SCALARS} for site, update in updates.items()}


def tissue_errors(study: Study, weights: Weights, subjects: list[Subject]) -> np.ndarray:
    """(n,) mean over tissues and sequences; a voxel that is not a number counts as black."""
    painter = generator_painter(study, weights)
    return np.array([tissue_error(np.nan_to_num(painter(subject), nan=0.0), subject.images, subject.labels).mean()
                     for subject in subjects])


if __name__ == "__main__":
    sys.exit(main())
