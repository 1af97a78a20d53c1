"""A site's answers in a study that claims an ε: reserve, compute, keep; the guard lets out what was reserved for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fl_components.client.executor import scalar
from fl_components.client.open_site import OpenSite
from fl_components.cohort.labelling import Labels
from fl_components.cohort.subject import Subject
from fl_components.guard.privacy_account import PrivacyAccount
from fl_components.json_file import read_json, write_json
from fl_components.networks.weights import Weights
from fl_components.study import Study
from fl_components.training.private.entropy import Entropy, OsEntropy
from fl_components.training.private.local import PrivateResult, PrivateTrainer
from fl_components.training.private.plan import PrivatePlan, plan_of
from fl_components.training.private.public import PublicSubjects
from fl_components.training.private.summary import contrast_of, noised_summary
from privacy_eval.errors import InputError

POOL: Final = 24
"""Public anatomies of a site's other side; each is warped anew at every draw."""


class PrivateRounds:
    """Answers of one job.

    Args:
        opened: site and study.
        training: the training's identity, by which the account names what was reserved.
        entropy: of draws and noise; the operating system's but in tests.
    """

    def __init__(self, opened: OpenSite, training: str, entropy: Entropy | None = None) -> None:
        self.site, self.study = opened
        self.training, self.entropy = training, entropy or OsEntropy()
        self.account = PrivacyAccount(self.site, self.study)
        self._public: PublicSubjects | None = None

    @property
    def plan(self) -> PrivatePlan:
        """The study's plan."""
        plan = plan_of(self.study)
        if plan is None:
            raise InputError("a private round in a study that claims no ε; its table [privacy] says mode = 'empirical'")
        return plan

    def summarise(self, patients: Sequence[Subject]) -> dict[str, np.ndarray]:
        """The study's one noised summary: drawn once, and the same again whenever it is asked for."""
        path = summary_file(self.site.state, self.study)
        if not path.exists():
            self.account.reserve(self.plan.summary, task="summarise", job=self.training, round_number=0)
            drawn = noised_summary(patients, self.study.grid.spacing_mm, self.plan.summary_noise, self.entropy)
            write_json(path, {"patients": len(patients), **{name: value.tolist() for name, value in drawn.items()}})
        stored = read_json(path)
        patients_then = int(stored.pop("patients"))
        return {**{name: np.array(value, np.float64) for name, value in stored.items()},
                "n_members": scalar(patients_then)}

    def train(self, patients: Sequence[Subject], weights: Weights, states: Path, seed: int, round_number: int,
              on_step: Callable[[int], None]) -> tuple[dict[str, np.ndarray], str]:
        """One round's update with its losses on public images; and what it ran in.

        Raises:
            InputError: if the budget is spent: the site stops, with its account's own words.
        """
        if self.plan.training_noise is None:
            on_step(self.plan.generator_steps)
            still = {name: np.zeros_like(value) for name, value in weights.items()}
            return {**still, "loss.adversarial": scalar(0), "loss.public": scalar(0)}, "nothing is trained"
        trainer = PrivateTrainer(self.study, self.plan, patients, self._public_subjects(), states, seed, self.entropy)
        result = trainer.kept(weights, round_number)
        if result is None:
            event = self.plan.training(self.plan.steps_per_round)
            self.account.reserve(event, task="train", job=self.training, round_number=round_number)
            result = trainer.train(weights, round_number, event, on_step)
        return _fields(result), result.precision

    def _public_subjects(self) -> PublicSubjects:
        """The other side, with the contrast that this site's own noised summary tells."""
        if self._public is None:
            self._public = PublicSubjects(self.study.grid, POOL, self.study.seed, self.study.synthesis.tumour_share,
                                          known_contrast(self.site.state, self.study, self.plan),
                                          Labels(self.site.data.labelling))
        return self._public


def summary_file(state: Path, study: Study) -> Path:
    """Where a site keeps the summary that it sent in a study."""
    return state / "private" / f"summary-{study.hash}.json"


def known_contrast(state: Path, study: Study, plan: PrivatePlan) -> Mapping[str, np.ndarray] | None:
    """What the site's noised summary tells of its contrast; None if it sent none yet."""
    path = summary_file(state, study)
    if not path.exists():
        return None
    stored = read_json(path)
    return contrast_of({name: np.array(value) for name, value in stored.items()}, int(stored["patients"]),
                       plan.summary_noise)


def _fields(result: PrivateResult) -> dict[str, np.ndarray]:
    return {**result.update, "loss.adversarial": scalar(result.adversarial), "loss.public": scalar(result.public)}
