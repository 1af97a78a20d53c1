"""Does the embedding know a person again? Beside it the voxel spaces, on simulated hospitals' subjects.

Every prepared subject of the run is asked for with a degraded copy of itself. Top-1 is the share of copies whose
nearest subject, among all, is their own (Wilson's 95 % interval). AUC is the chance that a copy lies nearer to its own
subject than a random copy to a random other one (95 % bootstrap interval over subjects).

The embedding was trained on public simulated subjects; no hospital's subject and no hospital's scanner went in. But
its views differed by changes of the kinds below, and the voxel spaces were never fitted to any.

    python -m benchmarks.embedding [RUN] [--subjects N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy import ndimage

from benchmarks.arguments import at_least_one, run_parser
from benchmarks.hospitals import all_simulated, load_hospitals, pooled
from benchmarks.intervals import interval_of_mean
from benchmarks.results import write_result
from fl_components.anatomy.deform import affine_matrix
from fl_components.cohort.split import PARTS
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.embedding import EmbeddingSpace
from fl_components.server.synthesize import public_subjects
from jobs.output import Talk
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import Picture
from privacy_eval.spaces.space import Space
from privacy_eval.spaces.voxels import COARSE_VOXELS, VoxelSpace
from privacy_eval.statistics.counts import wilson

_EACH_SIDE: Final = 0.975
"""Coverage of each bound, so that both together hold 95 %."""


@dataclass(frozen=True)
class Degradation:
    """What happens to a copy.

    `noise`: standard deviation, in shares of the intensity range. `blur_voxels`: of the Gaussian. `jitter`: standard
    deviation of a tissue's shift in a sequence. `shift_mm`: length, in a random direction. `turn_degrees`: about each
    axis, either way. `scale`: along each axis, either way. `mirrored`: left and right swapped. `repainted`: the
    anatomy painted with the contrast of another subject, so that no voxel of the scan is left.
    """

    noise: float = 0.05
    blur_voxels: float = 1.0
    jitter: float = 0.05
    shift_mm: float = 2.0
    turn_degrees: float = 0.0
    scale: float = 0.0
    mirrored: bool = False
    repainted: bool = False


_COPY: Final = Degradation()
DEGRADATIONS: Final = {
    "noise, blur, contrast jitter, shift of 2 mm": _COPY,
    "the same, turned by 5° and scaled by 3 %": replace(_COPY, turn_degrees=5, scale=0.03),
    "the same, mirrored": replace(_COPY, mirrored=True),
    "the same, in another subject's contrast": replace(_COPY, repainted=True),
}


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=at_least_one, help="of each part of each site's split; default: all")
    arguments = parser.parse_args()
    try:
        return identify_all(arguments)
    except InputError as error:
        parser.error(str(error))


def identify_all(arguments: argparse.Namespace) -> int:
    """Ask for every subject in every space, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    subjects = [s for part in PARTS for s in pooled(load_hospitals(run, part, arguments.subjects))]
    with talk.stage("Making public subjects for the voxel spaces"):
        public = public_subjects(run.server, study, study.audit.calibration_subjects)
    embedding = EmbeddingSpace.shipped(study.grid)
    spaces: list[Space] = [embedding, VoxelSpace.fit(public),
                           VoxelSpace.fit(public, "coarse", COARSE_VOXELS)]
    figures: dict[str, dict[str, Any]] = {}
    with talk.stage(f"Asking for {len(subjects)} subjects") as advance:
        targets = {space.name: space.map(_pictures(subjects)) for space in spaces}
        for done, (name, degradation) in enumerate(DEGRADATIONS.items(), 1):
            copies = degraded_copies(subjects, degradation, study.grid.spacing_mm, study.seed)
            figures[name] = {space.name: identification(space.map(copies), targets[space.name]) for space in spaces}
            advance(done / len(DEGRADATIONS), name)
    write_result("embedding", {"degradations": figures, "weights_sha256": embedding.digest},
                 {"subjects": len(subjects)}, study_hash=study.hash, simulated=all_simulated(run))
    _tell(figures, talk)
    return 0


def degraded_copies(subjects: Sequence[Subject], degradation: Degradation, spacing_mm: float,
                    seed: int) -> list[Picture]:
    """One degraded copy of each subject, its draws seeded by the subject's place alone."""
    donors = np.random.default_rng(seed).permutation(len(subjects))
    return [Picture(degrade(subject, degradation, subjects[donor].contrast, spacing_mm,
                            np.random.default_rng([seed, k])), None)
            for k, (subject, donor) in enumerate(zip(subjects, donors, strict=True))]


def degrade(subject: Subject, degradation: Degradation, donor: Contrast, spacing_mm: float,
            rng: np.random.Generator) -> np.ndarray:
    """A degraded copy, (4, X, Y, Z) float32, 0 outside the moved brain.

    Args:
        subject: of whom.
        degradation: how.
        donor: whose contrast it is painted in, if it is repainted; tissues the donor lacks keep the subject's own.
        spacing_mm: voxel size.
        rng: source of every draw.
    """
    images = subject.images
    if degradation.repainted:
        mean = np.where(donor.present[:, None], donor.mean, subject.contrast.mean)
        images = paint(subject.labels, Contrast(mean, subject.contrast.present))
    jitter = degradation.jitter * rng.standard_normal(subject.contrast.mean.shape)
    images = images + paint(subject.labels, Contrast(jitter.astype(np.float32), subject.contrast.present))
    direction = rng.standard_normal(3)
    shift = degradation.shift_mm / spacing_mm * direction / np.linalg.norm(direction)
    matrix = affine_matrix(degradation.turn_degrees * rng.choice([-1, 1], 3),
                           1 + degradation.scale * rng.choice([-1, 1], 3))
    if degradation.mirrored:
        matrix = matrix @ np.diag([-1.0, 1.0, 1.0])
    centre = (np.array(subject.labels.shape) - 1) / 2
    offset = centre - matrix @ centre + shift
    brain = ndimage.affine_transform((subject.labels > 0).astype(np.float32), matrix, offset, order=1) > 0.5
    moved = [ndimage.affine_transform(image, matrix, offset, order=1) for image in images]
    blurred = np.stack([ndimage.gaussian_filter(image, degradation.blur_voxels) for image in moved])
    noisy = blurred + degradation.noise * rng.standard_normal(blurred.shape)
    return np.asarray(np.clip(noisy, 0, 1) * brain, np.float32)


def identification(copies: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Top-1 rate and AUC, each with its 95 % interval and n.

    Args:
        copies: (n, d) vectors; copy k is of subject k.
        targets: (n, d) vectors of the subjects.
    """
    n = len(targets)
    square = (copies**2).sum(axis=1)[:, None] + (targets**2).sum(axis=1) - 2 * copies @ targets.T
    found = int((square.argmin(axis=1) == np.arange(n)).sum())
    low, high = wilson(found, n, _EACH_SIDE)
    own, others = np.diag(square), np.sort(square[~np.eye(n, dtype=bool)])
    at_most, less = np.searchsorted(others, own, "right"), np.searchsorted(others, own, "left")
    farther = 1 - (at_most + less) / (2 * len(others))  # ties count half
    return {"top1": {"estimate": found / n, "low": low, "high": high, "n": n}, "auc": interval_of_mean(farther)}


def _pictures(subjects: Sequence[Subject]) -> list[Picture]:
    return [Picture(subject.images, subject.labels) for subject in subjects]


def _tell(figures: dict[str, dict[str, Any]], talk: Talk) -> None:
    for degradation, spaces in figures.items():
        talk.say(f"{degradation}:")
        for name, row in spaces.items():
            top1, auc = row["top1"], row["auc"]
            talk.say(f"  {name:10s} top-1 {top1['estimate']:.3f} ({top1['low']:.3f} to {top1['high']:.3f}), "
                     f"AUC {auc['mean']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}), n = {top1['n']}")


if __name__ == "__main__":
    sys.exit(main())
