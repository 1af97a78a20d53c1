"""The cases of a quiz: slices of simulated hospitals' scans and of the release, drawn by coin from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage

from fl_components.cohort.cohort import Cohort
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.server.release import read_release
from fl_components.server.release_manifest import read_manifest, release_digest
from fl_components.vocabulary import BACKGROUND, TUMOUR
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

Kind = Literal["real", "synthetic"]


@dataclass(frozen=True)
class Case:
    """One question: `slices`, (4 sequences, X, Y) in [0, 1], and what it is."""

    kind: Kind
    slices: np.ndarray


@dataclass(frozen=True)
class Quiz:
    """Questions in their order, and what they were drawn from: the release's digest, and the seed."""

    release: str
    seed: int
    cases: tuple[Case, ...]

    @property
    def key(self) -> list[Kind]:
        """The right answers."""
        return [case.kind for case in self.cases]


def draw_quiz(run: RunFolder, n: int, seed: int) -> Quiz:
    """Draw a quiz; the same for the same run, n and seed.

    Each question is real or synthetic by a coin of its own, so that counting does not help. Real ones are subjects that
    were never trained on; nobody comes twice.

    Raises:
        InputError: if a hospital is not simulated, there is no release, or there are too few subjects or volumes.
    """
    paths = simulated_subjects(run)
    digest, volumes = release_digest(run.release), _released(run)
    most = min(len(paths), volumes)
    if n > most:
        raise InputError(f"--n {n}: there are {len(paths)} subjects outside training and {volumes} released volumes; "
                         f"ask for at most {most}")
    rng = np.random.default_rng([seed, n])
    kinds: list[Kind] = [("real", "synthetic")[coin] for coin in rng.integers(2, size=n)]
    real = (Subject.load(paths[k]) for k in rng.permutation(len(paths)))
    synthetic = _volumes(run, rng.permutation(volumes)[:kinds.count("synthetic")])
    drawn = [next(real if kind == "real" else synthetic) for kind in kinds]
    return Quiz(digest, seed, tuple(Case(kind, tumour_slice(images.images, images.labels))
                                    for kind, images in zip(kinds, drawn, strict=True)))


def most_cases(run: RunFolder) -> int:
    """How many questions a quiz of this run can have (errors as `draw_quiz`)."""
    return min(len(simulated_subjects(run)), _released(run))


def simulated_subjects(run: RunFolder) -> list[Path]:
    """Prepared subjects of all hospitals that were never trained on.

    Raises:
        InputError: if a hospital is not simulated: real scans must not leave it.
    """
    study = run.study()
    sites = run.sites(study)
    for site in sites:
        if not site.data.simulated:
            raise InputError(f"site '{site.name}': its scans are of real people and must not leave it, so there is no "
                             "quiz; it is for simulated hospitals alone")
    cohorts = [Cohort.load(site, study) for site in sites]
    return [path for cohort in cohorts for path in (*cohort.test, *cohort.holdout)]


def tumour_slice(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(4, X, Y): the axial slice through the voxel deepest inside the tumour, or the brain's middle without one."""
    tumour = np.isin(labels, TUMOUR)
    if tumour.any():
        depth = ndimage.distance_transform_edt(tumour)
        level = int(np.unravel_index(depth.argmax(), labels.shape)[2])
    else:
        level = round(float(np.argwhere(labels != BACKGROUND)[:, 2].mean()))
    return np.asarray(images[:, :, :, level])


def _released(run: RunFolder) -> int:
    """Volumes of the release, which may be others than the study's."""
    return sum(path.endswith("_dseg.nii.gz") for path in read_manifest(run.release).files)


def _volumes(run: RunFolder, numbers: np.ndarray) -> Iterator[Subject]:
    """The release's volumes of these numbers (from 0), in an order of their own."""
    wanted = {int(k) for k in numbers}
    found = {k: volume for k, volume in enumerate(read_release(run.release)) if k in wanted}
    for k in numbers:
        volume = found[int(k)]
        yield Subject(volume.name, volume.images, volume.labels, measure_contrast(volume.images, volume.labels))
