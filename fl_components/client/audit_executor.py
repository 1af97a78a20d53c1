"""The audit at the site: the release is attacked with the site's own members and holdout; statistics alone leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
import torch
from nvflare.apis.signal import Signal

from fl_components.client.executor import SiteExecutor, scalar, stop_if
from fl_components.client.heartbeat import Heartbeat
from fl_components.client.open_site import OpenSite
from fl_components.cohort.cohort import Cohort
from fl_components.cohort.split import Part
from fl_components.cohort.subject import Subject
from fl_components.contrast import paint
from fl_components.networks.build import build_generator, load_weights
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.render import render
from fl_components.study import Study
from privacy_eval.site.audit import GeneratorErrors, PairedErrors, SiteEvidence, audit_site

RELEASE: Final = "release"
REFERENCE: Final = "reference"
GENERATOR: Final = "generator."
"""Names of what the server sends: the released volumes, public subjects, and the generator's weights."""

_DRAWS: Final = 2
"""Noise draws a reconstruction is averaged over, as an attacker who queries the generator would."""


class AuditExecutor(SiteExecutor):
    """Answers "audit"."""

    def tasks(self) -> tuple[str, ...]:
        """See the base class."""
        return ("audit",)

    def answer(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
               heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """See the base class."""
        site, study = opened
        cohort = Cohort.load(site, study)
        parts: tuple[Part, ...] = ("members", "holdout", "test")
        subjects = {part: list(cohort.subjects(part)) for part in parts}
        rendered = len(subjects["members"]) + len(subjects["holdout"])
        heartbeat.begin(task, round_number, rendered + 1)  # the last step is the attack itself

        def on_subject(done: int) -> None:
            stop_if(abort_signal)
            heartbeat.step(done)

        errors = self._errors(study, data, subjects, on_subject)
        members, holdout, unseen = (np.stack([s.images for s in subjects[part]]) for part in parts)
        evidence = SiteEvidence(members, holdout, unseen, errors)
        policy = site.policy
        statistics = audit_site(
            evidence, data[RELEASE].astype(np.float32), data[REFERENCE].astype(np.float32), np.random.default_rng(),
            policy.minimum_subjects, policy.minimum_count, site.name)
        heartbeat.end()
        return {name: scalar(value) for name, value in statistics.to_scalars().items()}

    def _errors(self, study: Study, data: Mapping[str, np.ndarray], subjects: Mapping[Part, list[Subject]],
                on_subject: Callable[[int], None]) -> GeneratorErrors:
        weights = {name.removeprefix(GENERATOR): value for name, value in data.items() if name.startswith(GENERATOR)}
        precision = choose_precision(study.training.precision)
        trained = precision.place(load_weights(build_generator(study), weights))
        untrained = precision.place(build_generator(study))
        rows = []
        n_members = len(subjects["members"])
        for subject in subjects["members"] + subjects["holdout"]:
            rows.append((reconstruction_error(trained, subject, precision), painting_error(subject),
                         reconstruction_error(untrained, subject, precision, draws=1)))
            on_subject(len(rows))
        return GeneratorErrors(*(PairedErrors(e[:n_members], e[n_members:]) for e in np.array(rows).T))


def reconstruction_error(generator: Generator, subject: Subject, precision: Precision,
                         draws: int = _DRAWS) -> float:
    """Mean absolute error inside the brain of the generator's average output for the subject's anatomy and contrast.

    The noise is the same for every subject, so that it favours none.
    """
    rng = torch.Generator().manual_seed(0)
    outputs: Iterable[np.ndarray] = (
        render(generator, subject.labels, subject.contrast, rng, precision) for _ in range(draws))
    return brain_error(sum(outputs, start=np.zeros_like(subject.images)) / draws, subject)


def painting_error(subject: Subject) -> float:
    """The same error of the lookup table that paints each tissue with the subject's contrast."""
    return brain_error(paint(subject.labels, subject.contrast), subject)


def brain_error(images: np.ndarray, subject: Subject) -> float:
    """Mean absolute error over brain voxels and sequences."""
    brain = subject.labels > 0
    return float(np.abs(images[:, brain] - subject.images[:, brain]).mean())
