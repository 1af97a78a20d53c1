"""The room in which learning from hospitals can show its worth.

A small segmenter is trained twice, with the same steps and augmentation: on the members of the simulated hospitals, and
on the public simulator's images, which paint piecewise-constant tissues. Both are tested on the hospitals' test
subjects. If the second were as good, a GAN trained at hospitals could add nothing.

The public images are made as strong as the public knows how: anatomies of the public sampler, as many as there are
members; contrasts drawn from the sites' summaries (not broad random ones), a smooth bias and noise of random size, all
drawn anew each time an anatomy is used.

Exit code 1 if the public simulator's images cost less than 10 % of the Dice, averaged over the three regions.

    python -m benchmarks.simulator_gap [RUN] [--steps 1000] [--seeds 3]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, count
from typing import Any, Final

import numpy as np
import torch

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import Hospitals, all_simulated, load_hospitals, pooled, site_masks
from benchmarks.intervals import interval_of, interval_of_mean
from benchmarks.results import write_result
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.client.train_executor import summarise_contrast
from fl_components.cohort.subject import Subject
from fl_components.evaluation.public_images import public_subject
from fl_components.evaluation.scores import score_subjects
from fl_components.networks.precision import choose_precision
from fl_components.server.population import ContrastPopulation
from fl_components.study import Augmentation, Grid, Study
from fl_components.training.batch import Batch, collate, shuffled_batches
from fl_components.training.segment import Stage, train_segmenter
from fl_components.vocabulary import REGIONS
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

REQUIRED_LOSS: Final = 0.10
HOSPITALS, PUBLIC = "hospitals' members", "public simulator"


def main() -> int:
    """The command line; 0 if the gap is as wide as required."""
    parser = run_parser(__doc__)
    parser.add_argument("--steps", type=at_least_one, default=1000, help="training steps of each segmenter")
    parser.add_argument("--seeds", type=at_least_one, default=3, help="segmenters trained on each of the two data")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Train, test, write the result; the exit code."""
    run, talk = arguments.run, Talk()
    study = run.study()
    members, test = load_hospitals(run, "members"), load_hospitals(run, "test")
    population = summarise_population(run, study, members)
    with talk.stage("Sampling public anatomies"):
        anatomies = sample_anatomies(study, len(pooled(members)))
    dice: dict[str, list[dict[str, np.ndarray]]] = {HOSPITALS: [], PUBLIC: []}
    for seed in range(arguments.seeds):
        rng = torch.Generator().manual_seed(seed)
        data = {HOSPITALS: shuffled_batches(pooled(members), 1, rng),
                PUBLIC: public_batches(anatomies, population, study.grid, np.random.default_rng(seed))}
        for name, batches in data.items():
            with talk.stage(f"Training a segmenter on the {name}, seed {seed}") as advance:
                dice[name].append(_train_and_test(
                    study, batches, arguments.steps, seed, pooled(test),
                    lambda done, advance=advance: advance(done / arguments.steps, "")))
    figures = summarise({name: _mean_over_seeds(found) for name, found in dice.items()}, site_masks(test))
    figures["seeds"] = [{name: {region: float(np.nanmean(found[k][region])) for region in REGIONS}
                         for name, found in dice.items()} for k in range(arguments.seeds)]
    write_result("simulator_gap", figures, {
        "test": len(pooled(test)), "members": len(pooled(members)), "public anatomies": len(anatomies),
        "steps": arguments.steps, "seeds": arguments.seeds}, study_hash=study.hash, simulated=all_simulated(run))
    return _judge(figures, talk)


def summarise_population(run: RunFolder, study: Study, members: Hospitals) -> ContrastPopulation:
    """The sites' contrast summary, as training collects it."""
    return ContrastPopulation.from_summaries(study, {
        site.name: {**summarise_contrast(members[site.name], site.policy.minimum_count),
                    "simulated": site.data.simulated}
        for site in run.sites(study)})


def sample_anatomies(study: Study, number: int) -> list[np.ndarray]:
    """(X, Y, Z) labels of the public sampler, each with a tumour, as every subject of the hospitals has one."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(_sample, study), range(number), chunksize=4))


def _sample(study: Study, k: int) -> np.ndarray:
    return AnatomySampler(study.grid).sample(np.random.default_rng([study.seed, 3, k])).labels


def public_batches(anatomies: Sequence[np.ndarray], population: ContrastPopulation, grid: Grid,
                   rng: np.random.Generator) -> Iterator[Batch]:
    """Endless batches of one of the public simulator's images; every anatomy comes once before any comes again."""
    queue = chain.from_iterable(rng.permutation(len(anatomies)) for _ in count())
    while True:
        yield collate([public_subject(anatomies[next(queue)], population, grid, rng)])


def summarise(dice: dict[str, dict[str, np.ndarray]], sites: dict[str, np.ndarray]) -> dict[str, Any]:
    """Dice of both by region, and the share that the public simulator's images lose, over all sites and at each.

    Args:
        dice: by training data and region, (n,) with nan where a subject lacks the region.
        sites: which subjects are each site's, (n,) bool (`site_masks`).
    """
    figures: dict[str, Any] = {"sites": {name: _regions(dice, who) for name, who in sites.items()}}
    losses = [figures["sites"]["all"][region]["loss"]["mean"] for region in REGIONS]
    return figures | {"mean_loss": float(np.mean(losses)), "required_loss": REQUIRED_LOSS}


def _regions(dice: dict[str, dict[str, np.ndarray]], who: np.ndarray) -> dict[str, Any]:
    rows = {}
    for region in REGIONS:
        real, public = dice[HOSPITALS][region][who], dice[PUBLIC][region][who]
        has_it = ~np.isnan(real)
        pair = (real[has_it], public[has_it])
        if not real.any():
            raise InputError(f"--steps: too few; the hospitals' segmenter finds none of the {region} at a site")
        rows[region] = {HOSPITALS: interval_of_mean(pair[0]), PUBLIC: interval_of_mean(pair[1]),
                        "loss": {"mean": float(_loss(*pair)), **interval_of(_loss, pair)}}
    return rows


def _loss(real: np.ndarray, public: np.ndarray, axis: int = -1) -> np.ndarray:
    return 1 - public.mean(axis=axis) / real.mean(axis=axis)


def _train_and_test(study: Study, batches: Iterator[Batch], steps: int, seed: int, test: Sequence[Subject],
                    on_step: Any) -> dict[str, np.ndarray]:  # noqa: ANN401 - a callback
    precision = choose_precision(study.training.precision)
    augmentation = study.training.augmentation or Augmentation()
    network = train_segmenter("segresnet", batches, Stage(steps), augmentation, study.grid, precision, seed, on_step)
    return score_subjects(network, test, study.grid, precision, distances=False).dice


def _mean_over_seeds(found: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {region: np.mean([one[region] for one in found], axis=0) for region in REGIONS}


def _judge(figures: dict[str, Any], talk: Talk) -> int:
    for site, regions in figures["sites"].items():
        for region, row in regions.items():
            real, public, loss = row[HOSPITALS], row[PUBLIC], row["loss"]
            talk.say(f"{site:8s} {region:13s} Dice {real['mean']:.3f} from hospitals, {public['mean']:.3f} from the "
                     f"public simulator: {loss['mean']:.0%} lost ({loss['low']:.0%} to {loss['high']:.0%}), "
                     f"n = {loss['n']}")
    wide = figures["mean_loss"] >= REQUIRED_LOSS
    talk.say(f"mean loss over the regions {figures['mean_loss']:.1%}, "
             f"{'at least' if wide else 'LESS THAN'} the required {REQUIRED_LOSS:.0%}")
    return 0 if wide else 1


if __name__ == "__main__":
    sys.exit(main())
