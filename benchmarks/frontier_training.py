"""Training of a frontier's cell in one process: the sites in turn, each with its own discriminator and account.

Nothing of the mechanism is done twice. With an ε, a site answers as in a job (`fl_components.client.private_rounds`):
it reserves in its own ledger, draws, clips, noises. Without one, the same noised step takes a noise that covers
nothing, so that what noise costs can be told from what clipping and the missing L1 cost; and "scratch" is the empirical
mode. Updates are averaged and smoothed as the server does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from benchmarks.frontier_study import Cell, Sizes, hospitals, study_of
from benchmarks.hospitals import Hospitals
from fl_components.client.open_site import OpenSite
from fl_components.client.private_rounds import POOL, PrivateRounds
from fl_components.client.train_executor import summarise_contrast
from fl_components.cohort.subject import Subject
from fl_components.durable import replace_durably
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.aggregation import aggregate, blended
from fl_components.server.population import ContrastPopulation, random_protocols
from fl_components.site import DataSettings, EgressPolicy, Site
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from fl_components.training.private.entropy import OsEntropy
from fl_components.training.private.local import PrivateTrainer
from fl_components.training.private.plan import plan_of
from fl_components.training.private.public import PublicSubjects
from fl_components.training.private.summary import contrast_of, noised_summary
from jobs.output import Talk

LEAST_NOISE: Final = 1e-3
"""In units of the clip: it covers nothing, and the mechanism takes none of 0."""
_TRAINING: Final = "0" * 32

Answer = Callable[[Weights, int], Mapping[str, np.ndarray]]
"""A site's update, of the global generator and the round's number."""


class Learned(NamedTuple):
    """What training left: the smoothed generator, the sites' contrasts, and by site the ε in its ledger; the noise of a
    sum in units of the clip; seconds of one core. Without an ε there is neither of the two before."""

    weights: Weights
    population: ContrastPopulation
    spent: dict[str, float]
    noise: float | None
    seconds: float | None = None

    def save(self, folder: Path) -> None:
        """Into two files, the second of which says that both are there."""
        replace_durably(folder / "generator.safetensors", lambda partial: save_file(self.weights, partial))
        write_json(folder / "learned.json", {
            "mean": self.population.mean.tolist(), "spread": self.population.spread.tolist(),
            "share": self.population.share.tolist(), "spent": self.spent, "noise": self.noise,
            "seconds": self.seconds})

    @classmethod
    def load(cls, folder: Path) -> Learned:
        """What `save` wrote."""
        told = read_json(folder / "learned.json")
        population = ContrastPopulation(np.array(told["mean"], np.float32), np.array(told["spread"], np.float32),
                                        np.array(told["share"]), True)
        return cls(load_file(folder / "generator.safetensors"), population, told["spent"], told["noise"],
                   told["seconds"])


def begun(cell: Cell, sizes: Sizes) -> Learned:
    """What there is before any patient: the publicly trained generator and public contrasts."""
    return Learned(weights_of(build_generator(study_of(cell, sizes))), random_protocols(simulated=True), {}, None)


def prepare(cell: Cell, sizes: Sizes, patients: Path, folder: Path) -> Callable[[], None]:
    """Read the cell's members; what is returned trains on them and saves what was learned into the folder."""
    torch.set_num_threads(1)  # seconds are one core's
    members = hospitals(patients, "members", cell.patients)

    def work() -> None:
        started = time.process_time()
        with Talk().stage(f"Training: {cell.name}") as advance:
            learned = learn(cell, study_of(cell, sizes), members, folder, lambda share: advance(share, ""))
        learned._replace(seconds=time.process_time() - started).save(folder)

    return work


def learn(cell: Cell, study: Study, members: Hospitals, folder: Path, on_share: Callable[[float], None]) -> Learned:
    """Train as the cell says.

    Args:
        cell: its ε decides which of the three ways is gone.
        study: of the cell.
        members: of every site.
        folder: for ledgers and states; an account that is there goes on.
        on_share: called with the share of rounds done.
    """
    if not study.privacy.private:
        return _empirically(study, members, folder, on_share)
    return (_without_noise if math.isinf(cell.epsilon) else _privately)(study, members, folder, on_share)


def federate(study: Study, answers: Mapping[str, Answer], on_share: Callable[[float], None]) -> Weights:
    """The study's rounds over its sites in turn; the smoothed generator."""
    weights = smoothed = weights_of(build_generator(study))
    for number in range(study.training.rounds):
        updates: dict[str, Mapping[str, np.ndarray]] = {}
        for site, answer in answers.items():
            updates[site] = answer(weights, number)
            on_share((number + len(updates) / len(answers)) / study.training.rounds)
        change = aggregate(study, updates, weights)
        weights = {name: weights[name] + change[name] for name in weights}
        smoothed = blended(smoothed, weights, study.training.ema_decay) if number else weights
    return smoothed


def _privately(study: Study, members: Hospitals, folder: Path, on_share: Callable[[float], None]) -> Learned:
    rounds = {site: PrivateRounds(OpenSite(_site(site, study, folder), study), _TRAINING) for site in members}
    summaries = {site: {**rounds[site].summarise(patients), "simulated": 1.0} for site, patients in members.items()}

    def answering(site: str, seed: int) -> Answer:
        states = folder / site / "states"
        return lambda weights, number: rounds[site].train(members[site], weights, states, seed, number, _silently)[0]

    plan = rounds[next(iter(rounds))].plan
    weights = weights_of(build_generator(study)) if plan.training_noise is None else federate(
        study, {site: answering(site, seed) for seed, site in enumerate(members)}, on_share)
    spent = {site: one.account.spending().epsilon(plan.delta) for site, one in rounds.items()}
    return Learned(weights, ContrastPopulation.from_summaries(study, summaries), spent, plan.training_noise)


def _without_noise(study: Study, members: Hospitals, folder: Path, on_share: Callable[[float], None]) -> Learned:
    stated = plan_of(study)
    assert stated is not None
    told = {site: contrast_of(noised_summary(patients, study.grid.spacing_mm, 0.0, OsEntropy()), len(patients), 0.0)
            for site, patients in members.items()}
    population = _population(told)
    if stated.training_noise is None:
        return Learned(weights_of(build_generator(study)), population, {}, None)
    plan = replace(stated, epsilon=math.inf, training_noise=LEAST_NOISE)

    def answering(site: str, seed: int) -> Answer:
        public = PublicSubjects(study.grid, POOL, study.seed, study.synthesis.tumour_share, told[site])
        trainer = PrivateTrainer(study, plan, members[site], public, folder / site / "states", seed, OsEntropy())
        return lambda weights, number: trainer.train(weights, number, plan.training(plan.steps_per_round)).update

    answers = {site: answering(site, seed) for seed, site in enumerate(members)}
    return Learned(federate(study, answers, on_share), population, {}, None)


def _empirically(study: Study, members: Hospitals, folder: Path, on_share: Callable[[float], None]) -> Learned:
    def answering(site: str, patients: Sequence[Subject], seed: int) -> Answer:
        trainer = LocalTrainer(study, patients, folder / site / "states", seed)
        return lambda weights, number: trainer.train(weights, number, study.training.local_steps).update

    told = {site: summarise_contrast(patients, 1) for site, patients in members.items()}
    answers = {site: answering(site, members[site], seed) for seed, site in enumerate(members)}
    return Learned(federate(study, answers, on_share), _population(told), {}, None)


def _silently(step: int) -> None:
    """Rounds are what is told."""


def _population(told: Mapping[str, Mapping[str, Any]]) -> ContrastPopulation:
    """Sites of equal shares."""
    means, spreads = (np.stack([one[f"contrast.{part}"] for one in told.values()]) for part in ("mean", "spread"))
    return ContrastPopulation(means, spreads, np.full(len(told), 1 / len(told)), True)


def _site(name: str, study: Study, folder: Path) -> Site:
    """A site that allows what the study claims; its account lies in the folder."""
    data = DataSettings(root=folder / name / "data", dialect="brats2020", simulated=True)
    policy = EgressPolicy(epsilon=study.privacy.epsilon, delta=study.privacy.delta)
    return Site(name=name, study=folder / "study.toml", state=folder / name / "state", data=data, policy=policy)
