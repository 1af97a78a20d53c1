"""Does the generator, or its release, betray who was trained on? The demo's, and one made to memorise.

T4 (the reconstruction attack that knows the anatomy) and T1 (the nearest released volume), as `privacy_eval.attacks`
defines them; AUC with its 95 % interval, n, and the one-sided p-value.

- The run's generator: members against holdout, stratified by site; T1 on the run's release.
- The memorising one: trained centrally on 10 members of the largest site, without augmentation, for many epochs; those
  10 against that site's holdout. T4 must flag it: exit code 1 if its p-value is not below a Bonferroni share of the
  study's alpha over the study's tests.

T1 on the memorising generator takes three releases, because T1 sees volumes and not the generator. "sampled" is made as
the product makes a release (public anatomies, no real mask): it shows what of the memorising reaches a release. "own
masks" is made from the 10 members' own anatomies and contrasts, which the product never does. "own masks painted" is
painted from those by the lookup table: what it betrays, the masks betray and not the generator.

    python -m benchmarks.membership [RUN] [--steps 1500]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.arguments import at_least_one, run_parser
from benchmarks.central import central_training
from benchmarks.hospitals import Hospitals, all_simulated, load_hospitals
from benchmarks.results import write_result
from fl_components.client.generator_errors import painting_error, reconstruction_error
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.json_file import read_json
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render
from fl_components.networks.weights import Weights, load_weights
from fl_components.server.population import ContrastPopulation
from fl_components.server.release import read_release
from fl_components.server.synthesize import public_subjects
from fl_components.study import Study
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.attacks.nearest import nearest_release_scores
from privacy_eval.attacks.reconstruction import reconstruction_scores
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import Picture
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.voxels import VoxelSpace
from privacy_eval.statistics.ranks import stratified_auc, stratified_auc_p_value, u_statistic

MEMORISED: Final = 10
"""Members that the memorising generator is trained on."""
_EACH_SIDE: Final = 0.975
"""Coverage of each bound, so that both together hold 95 %."""

Score = Callable[[Sequence[Subject]], np.ndarray]
"""One number a subject, (n,); higher: more like a member."""


def main() -> int:
    """The command line; 0 if the memorising generator was flagged."""
    parser = run_parser(__doc__)
    parser.add_argument("--steps", type=at_least_one, default=1500, help="of the training that is to memorise")
    arguments = parser.parse_args()
    try:
        return attack_both(arguments)
    except InputError as error:
        parser.error(str(error))


def attack_both(arguments: argparse.Namespace) -> int:
    """Attack both generators, write the result; 0 if the memorising one was flagged."""
    run, talk = arguments.run, Talk()
    study = run.study()
    members, holdout = load_hospitals(run, "members"), load_hospitals(run, "holdout")
    with talk.stage("Making public subjects for the feature space"):
        space = VoxelSpace.fit(public_subjects(run.server, study, study.audit.calibration_subjects))
    with talk.stage("Attacking the run's generator and release"):
        demo = {"T4": attack(t4_score(study, run.server.load_generator()), members, holdout),
                "T1": attack(t1_score(space, (volume.images for volume in read_release(run.release))),
                             members, holdout)}
    site = max(study.sites, key=lambda name: len(members[name]))
    few = members[site][:MEMORISED]
    weights = train_to_memorise(study, few, arguments.steps, talk)
    with talk.stage("Attacking the memorising generator"):
        scores = {"T4": t4_score(study, weights)} | {
            f"T1, {name}": t1_score(space, release)
            for name, release in memorised_releases(run, study, weights, few).items()}
        memorising = {name: attack(score, {site: few}, {site: holdout[site]}) for name, score in scores.items()}
    level = study.audit.alpha / len(study.audit.tests)
    flagged = memorising["T4"]["p_value"] <= level
    write_result("membership", {"demo": demo, "memorising": memorising, "flagged": flagged, "level": level}, {
        "memorising_steps": arguments.steps, "memorised": MEMORISED}, study_hash=study.hash,
        simulated=all_simulated(run))
    _tell({"demo": demo, "memorising": memorising}, talk)
    talk.say(f"the memorising generator {'is' if flagged else 'IS NOT'} flagged by T4 at {level:.4f}")
    return 0 if flagged else 1


def without_defence(study: Study) -> Study:
    """The study without augmentation, one subject a step."""
    recipe = study.training.model_copy(update={"augmentation": None, "batch_size": 1})
    return study.model_copy(update={"training": recipe})


def train_to_memorise(study: Study, few: Sequence[Subject], steps: int, talk: Talk) -> Weights:
    """A generator that has seen a few subjects far too often."""
    title = f"Training on {len(few)} subjects for {steps // len(few)} epochs without augmentation"
    with talk.stage(title) as advance, tempfile.TemporaryDirectory() as folder:
        return central_training(without_defence(study), few, steps, study.seed, Path(folder) / "state.pt",
                                lambda done: advance(done / steps, ""))


def memorised_releases(run: RunFolder, study: Study, weights: Weights,
                       few: Sequence[Subject]) -> dict[str, list[np.ndarray]]:
    """The three releases of the memorising generator; each a list of (4, X, Y, Z)."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), weights))
    noise = torch.Generator().manual_seed(study.seed)
    population = ContrastPopulation.of_release(study, read_json(run.server.population_file))
    rng = np.random.default_rng(study.seed)
    examples = [(volume.labels, population.draw(volume.labels, rng)) for volume in read_release(run.release)]
    sampled = render_as_drawn(generator, examples, [noise] * len(examples), precision)
    own = [render(generator, subject.labels, subject.contrast, noise, precision) for subject in few]
    return {"sampled": sampled, "own masks": own, "own masks painted": [paint(s.labels, s.contrast) for s in few]}


def t4_score(study: Study, weights: Weights) -> Score:
    """How much better a generator paints a subject than the lookup table does."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), weights))

    def score(subjects: Sequence[Subject]) -> np.ndarray:
        return reconstruction_scores(np.array([reconstruction_error(generator, s, precision) for s in subjects]),
                                     np.array([painting_error(s) for s in subjects]))

    return score


def t1_score(space: VoxelSpace, release: Iterable[np.ndarray]) -> Score:
    """How near the nearest released volume is."""
    def vectors(volumes: Iterable[np.ndarray]) -> np.ndarray:
        return space.map(Picture(images, None) for images in volumes)

    targets = vectors(release)
    return lambda subjects: nearest_release_scores(nearest_distance(vectors(s.images for s in subjects), targets))


def attack(score: Score, members: Hospitals, holdout: Hospitals) -> dict[str, Any]:
    """AUC over the sites, its 95 % interval, p-value and n; and each site's AUC."""
    sites = {site: u_statistic(score(members[site]), score(holdout[site])) for site in members}
    strata = list(sites.values())
    found = stratified_auc(strata, _EACH_SIDE)
    return {"auc": found.value, "low": found.low, "high": found.high, "n_members": found.n_members,
            "n_holdout": found.n_holdout, "p_value": stratified_auc_p_value(strata),
            "sites": {site: statistic.auc for site, statistic in sites.items()}}


def _tell(rows: dict[str, dict[str, dict[str, Any]]], talk: Talk) -> None:
    for generator, tests in rows.items():
        for name, row in tests.items():
            talk.say(f"{generator:10s} {name:22s} AUC {row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
                     f"p = {row['p_value']:.2g}, {row['n_members']} members, {row['n_holdout']} holdout")


if __name__ == "__main__":
    sys.exit(main())
