"""What the generator and the discriminator make of a site's own subjects: the evidence of T4 and T5."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch

from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.conditions import one_hot, painted_volume
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.render import render
from fl_components.networks.weights import Weights, load_weights
from fl_components.study import Study
from fl_components.training.states import read_state
from privacy_eval.site.evidence import GeneratorErrors, PairedErrors

DRAWS: Final = {"exact": 2, "site": 1}
"""Noise draws a reconstruction is averaged over, as an attacker who queries the generator would."""


class Errors(NamedTuple):
    """One subject's errors with one contrast."""

    reconstruction: float
    predictability: float
    untrained: float


def generator_errors(study: Study, weights: Weights, members: Sequence[Subject], holdout: Sequence[Subject],
                     on_subject: Callable[[int], None]) -> dict[str, GeneratorErrors]:
    """T4's errors with each subject's exact contrast and with the mean contrast of the site.

    Args:
        study: builds the networks.
        weights: the audited generator's.
        members: the site's.
        holdout: the site's.
        on_subject: called with the number of subjects done.
    """
    precision = choose_precision(study.training.precision)
    trained = precision.place(load_weights(build_generator(study), weights))
    untrained = precision.place(build_generator(study))
    subjects = [*members, *holdout]
    mean = mean_contrast([subject.contrast for subject in subjects])
    rows: dict[str, list[Errors]] = {name: [] for name in DRAWS}
    for done, subject in enumerate(subjects, 1):
        for name, contrast in (("exact", subject.contrast), ("site", mean)):
            rows[name].append(Errors(
                reconstruction_error(trained, subject, precision, DRAWS[name], contrast),
                painting_error(subject, contrast),
                reconstruction_error(untrained, subject, precision, 1, contrast)))
        on_subject(done)
    return {name: _paired(np.array(found), len(members)) for name, found in rows.items()}


def mean_contrast(contrasts: Sequence[Contrast]) -> Contrast:
    """The mean of each tissue over the subjects that have it, members and holdout alike."""
    means, present = (np.stack([getattr(c, part) for c in contrasts]) for part in ("mean", "present"))
    counts = present.sum(axis=0)
    mean = (means * present[:, :, None]).sum(axis=0) / np.maximum(counts, 1)[:, None]
    return Contrast(mean.astype(np.float32), counts > 0)


def reconstruction_error(generator: Generator, subject: Subject, precision: Precision, draws: int = DRAWS["exact"],
                         contrast: Contrast | None = None) -> float:
    """Mean absolute error inside the brain of the generator's average output for the subject's anatomy.

    An attacker who holds the weights leaves out the grain, which knows nobody and would hide what is known. The noise
    is the same for every subject, so that it favours none. The contrast is the subject's own unless given.
    """
    rng = torch.Generator().manual_seed(0)
    outputs: Iterable[np.ndarray] = (
        render(generator, subject.labels, contrast or subject.contrast, rng, precision, grain=False)
        for _ in range(draws))
    return brain_error(sum(outputs, start=np.zeros_like(subject.images)) / draws, subject)


def painting_error(subject: Subject, contrast: Contrast | None = None) -> float:
    """The same error of each tissue painted with the contrast, borders softened by half a voxel: knows no generator."""
    return brain_error(painted_volume(subject.labels, contrast or subject.contrast), subject)


def brain_error(images: np.ndarray, subject: Subject) -> float:
    """Mean absolute error over brain voxels and sequences."""
    brain = subject.labels > 0
    return float(np.abs(images[:, brain] - subject.images[:, brain]).mean())


@torch.inference_mode()
def discriminator_scores(study: Study, state_file: Path | None, members: Sequence[Subject],
                         holdout: Sequence[Subject]) -> PairedErrors | None:
    """T5: the mean patch score of the site's own discriminator on each subject; None if it keeps none."""
    if state_file is None:
        return None
    precision = choose_precision(study.training.precision)
    discriminator = build_discriminator(study, 0)
    discriminator.load_state_dict(read_state(state_file)["discriminator"])
    placed = precision.place(discriminator)

    def score(subject: Subject) -> float:
        images, anatomy = (precision.lay_out(tensor) for tensor in (
            torch.from_numpy(subject.images)[None], one_hot(torch.from_numpy(subject.labels)[None].long())))
        vector = torch.from_numpy(subject.contrast.vector())[None].to(precision.device)
        with precision.autocast():
            return float(placed(images, anatomy, vector).float().mean())

    return PairedErrors(np.array([score(s) for s in members]), np.array([score(s) for s in holdout]))


def _paired(errors: np.ndarray, n_members: int) -> GeneratorErrors:
    return GeneratorErrors(*(PairedErrors(column[:n_members], column[n_members:]) for column in errors.T))


def generator_weights(data: Mapping[str, np.ndarray], prefix: str) -> Weights:
    """The weights among the arrays of a message."""
    return {name.removeprefix(prefix): value for name, value in data.items() if name.startswith(prefix)}
