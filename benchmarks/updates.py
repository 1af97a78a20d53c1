"""Does the sequence of updates tell a curious server who was trained on, beyond what the final generator tells?

The sites of a run train as under NVFlare, but in this process, on every second voxel of their subjects, with half of
the study's channels; with the study's augmentation, and without any. The server keeps what it sent
and every site's update. It holds a candidate's scans, anatomy and contrast, knows at which site the candidate would
be, and scores:

- "final generator": T4 on the generator that is released, as the audit does (`privacy_eval.attacks.reconstruction`);
- "last local model": T4 on the last round's weights plus the site's own update;
- "drop of error": how much the site's updates lower the candidate's error, summed over rounds;
- "drop against other sites": the same less the mean drop by the other sites' updates (after Zhu et al. 2024, FedMIA,
  arXiv 2402.06289);
- "alignment": mean cosine of the site's update and of a step against the candidate's L1 gradient, over rounds.

AUC of members against holdout, stratified by site, with its 95 % interval and one-sided p.

    python -m benchmarks.updates [RUN] [--members N] [--rounds N] [--steps N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import Hospitals, all_simulated, load_hospitals
from benchmarks.poison import coarse
from benchmarks.results import write_result
from fl_components.client.generator_errors import painting_error, reconstruction_error
from fl_components.cohort.subject import Subject
from fl_components.networks.build import build_generator
from fl_components.networks.conditions import one_hot
from fl_components.networks.generator import draw_noise
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import Weights, load_weights, weights_of
from fl_components.server.aggregation import aggregate
from fl_components.study import Study
from fl_components.training.batch import collate
from fl_components.training.gan_step import brain_l1
from fl_components.training.local import LocalTrainer
from jobs.output import Talk
from privacy_eval.attacks.reconstruction import reconstruction_scores
from privacy_eval.statistics.ranks import stratified_auc, stratified_auc_p_value, u_statistic

ATTACKS: Final = ("final generator", "last local model", "drop of error", "drop against other sites", "alignment")
_EACH_SIDE: Final = 0.975
"""Coverage of each bound, so that both together hold 95 %."""


class Round(NamedTuple):
    """What the server has of a round: the weights it sent, each site's update."""

    sent: Weights
    updates: dict[str, Weights]


class Record(NamedTuple):
    """All rounds, and the exponential average that is released."""

    rounds: list[Round]
    released: Weights


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--members", type=at_least_one, default=32, help="at most so many a site, and as many holdout")
    parser.add_argument("--rounds", type=at_least_one, help="the study's unless given")
    parser.add_argument("--steps", type=at_least_one, help="local steps of a round, the study's unless given")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Train with and without augmentation, attack both, write the result."""
    run, talk = arguments.run, Talk()
    study = coarse_study(run.study(), arguments.rounds, arguments.steps)
    members, holdout = (coarse(load_hospitals(run, part, arguments.members)) for part in ("members", "holdout"))
    plain = study.model_copy(update={"training": study.training.model_copy(update={"augmentation": None})})
    recipes: dict[str, dict[str, Any]] = {}
    for name, recipe in (("the study's", study), ("no augmentation", plain)):
        with talk.stage(f"Training: {name}") as advance:
            record = train(recipe, members, lambda share, advance=advance: advance(share, ""))
        with talk.stage(f"Attacking: {name}"):
            recipes[name] = attack_all(recipe, record, members, holdout)
        for attack, row in recipes[name].items():
            talk.say(f"{name:16s} {attack:25s} AUC {row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
                     f"p = {row['p_value']:.2g}")
    sizes = {part: sum(map(len, hospitals.values())) for part, hospitals in (("members", members),
                                                                             ("holdout", holdout))}
    write_result("updates", {"recipes": recipes}, {
        "sites": len(study.sites), "rounds": study.training.rounds, "local steps": study.training.local_steps, **sizes},
        study_hash=run.study().hash, simulated=all_simulated(run))
    return 0


def coarse_study(study: Study, rounds: int | None, steps: int | None) -> Study:
    """The study at twice its spacing, with half the channels."""
    grid = study.grid.model_copy(update={"shape": tuple((size + 1) // 2 for size in study.grid.shape),
                                         "spacing_mm": 2 * study.grid.spacing_mm})
    training = study.training.model_copy(update={
        "rounds": rounds or study.training.rounds, "local_steps": steps or study.training.local_steps})
    network = study.network.model_copy(update={
        "generator_channels": tuple((size + 1) // 2 for size in study.network.generator_channels),
        "discriminator_channels": (study.network.discriminator_channels + 1) // 2})
    return study.model_copy(update={"grid": grid, "network": network, "training": training})


def train(study: Study, members: Hospitals, advance: Any) -> Record:  # noqa: ANN401 - a callback
    """The federation's rounds in this process, everything kept that crosses the network.

    Args:
        study: recipe and weights of the sites.
        members: trained on.
        advance: called with the share of rounds done.
    """
    weights = released = weights_of(build_generator(study))
    rounds, decay = list[Round](), np.float32(study.training.ema_decay)
    with tempfile.TemporaryDirectory() as folder:
        sites = {site: LocalTrainer(study, subjects, Path(folder) / site, seed)
                 for seed, (site, subjects) in enumerate(members.items())}
        for number in range(study.training.rounds):
            updates = {site: trainer.train(weights, number, study.training.local_steps).update
                       for site, trainer in sites.items()}
            rounds.append(Round(weights, updates))
            change = aggregate(study, updates, weights)
            weights = plus(weights, change)
            released = weights if number == 0 else {
                name: decay * released[name] + (1 - decay) * weights[name] for name in weights}
            advance((number + 1) / study.training.rounds)
    return Record(rounds, released)


def plus(weights: Weights, update: Weights) -> Weights:
    """The weights after an update."""
    return {name: weights[name] + update[name] for name in weights}


def attack_all(study: Study, record: Record, members: Hospitals, holdout: Hospitals) -> dict[str, dict[str, Any]]:
    """For each of `ATTACKS` its AUC, interval, p-value and n."""
    scores = {site: site_scores(study, record, site, [*members[site], *holdout[site]]) for site in members}
    rows = {}
    for attack in ATTACKS:
        strata = [u_statistic(values[attack][:len(members[site])], values[attack][len(members[site]):])
                  for site, values in scores.items()]
        found = stratified_auc(strata, _EACH_SIDE)
        rows[attack] = {"auc": found.value, "low": found.low, "high": found.high, "n_members": found.n_members,
                        "n_holdout": found.n_holdout, "p_value": stratified_auc_p_value(strata)}
    return rows


def site_scores(study: Study, record: Record, site: str, subjects: Sequence[Subject]) -> dict[str, np.ndarray]:
    """Each attack's score, (n,), of subjects that may have been trained on at a site; higher: more like a member."""
    painted = np.array([painting_error(subject) for subject in subjects])
    drops: dict[str, np.ndarray] = {other: np.zeros(len(subjects)) for other in study.sites}
    aligned = np.zeros(len(subjects))
    for sent, updates in record.rounds:
        before = errors(study, sent, subjects)
        for other, update in updates.items():
            after = errors(study, plus(sent, update), subjects)
            drops[other] += before - after
            if other == site:
                local = after  # of the last round, in the end
        aligned += alignments(study, sent, updates[site], subjects)
    others = np.mean([drop for other, drop in drops.items() if other != site], axis=0)
    return {"final generator": reconstruction_scores(errors(study, record.released, subjects), painted),
            "last local model": reconstruction_scores(local, painted),
            "drop of error": drops[site], "drop against other sites": drops[site] - others,
            "alignment": aligned / len(record.rounds)}


def errors(study: Study, weights: Weights, subjects: Sequence[Subject]) -> np.ndarray:
    """T4's reconstruction error of each subject with one draw of the noise, (n,)."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(load_weights(build_generator(study), weights))
    return np.array([reconstruction_error(generator, subject, precision, draws=1) for subject in subjects])


def alignments(study: Study, weights: Weights, update: Weights, subjects: Sequence[Subject]) -> np.ndarray:
    """Cosine of the update and of minus the gradient of each subject's L1 error at the weights, (n,).

    Over what the expected image depends on: the admixture's numbers make noise alone.
    """
    generator = load_weights(build_generator(study), weights)
    parameters = {name: value for name, value in generator.named_parameters() if not name.startswith("admixture.")}
    direction = torch.cat([torch.from_numpy(update[name]).ravel() for name in parameters])
    found = []
    for subject in subjects:
        batch = collate([subject])
        anatomy = one_hot(batch.labels)
        noise = draw_noise(1, generator.latent_size, study.grid.shape, torch.Generator().manual_seed(0))
        loss = brain_l1(generator.parts(anatomy, batch.contrast, noise).expected, batch.images, anatomy)
        gradient = torch.cat([part.ravel() for part in torch.autograd.grad(loss, list(parameters.values()))])
        found.append(float(torch.nn.functional.cosine_similarity(-gradient, direction, dim=0)))
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main())
