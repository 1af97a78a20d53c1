"""Preprocessing: a scan onto the study grid by its affine, centred, anti-aliased, normalised, its tissues labelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from scipy import ndimage

from fl_components.cohort.case import Case, Scan
from fl_components.cohort.labelling import Labels
from fl_components.cohort.layout import read_scan
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.study import TEMPLATE_CENTRE_MM, Grid
from fl_components.vocabulary import N_LABELS, SEQUENCES, TUMOUR
from privacy_eval.errors import InputError

PREPARATION_VERSION: Final = 2
"""To be raised whenever this file, a layout or `tissue` gives another result: it makes cached subjects anew."""

WHITE_PERCENTILE: Final = 99.5
"""This percentile of a sequence inside the brain becomes intensity 1."""
NECK_MM: Final = 3.0
"""Anything joined to the brain by a thinner bridge is residual skull."""
LARGEST_BRAIN_ML: Final = 2600.0
"""Whatever is larger still has its skull, or the air around it."""
MINIMUM_VOXELS: Final = 100
"""With less healthy brain on the grid there is nothing to tell tissues by."""
FWHM_PER_SIGMA: Final = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True)
class Placed:
    """A scan on the study grid: `images` (4, X, Y, Z) float32 as scanned, `labels` given, `brain` mask (X, Y, Z).

    The labels are the tumour's, or the whole anatomy's if the scan brings it. `share_outside` is the share of the
    scan's brain that lies beyond the grid; `brain_ml` its volume before that.
    """

    images: np.ndarray
    labels: np.ndarray
    brain: np.ndarray
    share_outside: float
    brain_ml: float


def prepare_case(case: Case, dialect: str | None, grid: Grid, labels: Labels = Labels()) -> Subject:  # noqa: B008
    """Read a case and prepare it for training.

    Raises:
        InputError: as `read_scan`, and if there is no brain on the grid or a sequence is empty in it.
    """
    return make_subject(case, read_scan(case, dialect), grid, labels)[0]


def make_subject(case: Case, scan: Scan, grid: Grid, labels: Labels = Labels()) -> tuple[Subject, Placed]:  # noqa: B008
    """A scan as a subject, and the step between, for the checks (errors as `prepare_case`)."""
    placed = place_scan(case, scan, grid)
    if np.count_nonzero(placed.brain & ~np.isin(placed.labels, TUMOUR)) < MINIMUM_VOXELS:
        raise InputError(f"{_first(case)}: a brain of {placed.brain_ml:.0f} ml, less than {MINIMUM_VOXELS} voxels of "
                         "it healthy on the study grid; check the files, or choose a finer grid")
    images = normalise(placed.images, placed.brain, case)
    anatomy = placed.labels
    if scan.anatomy is None:
        anatomy = labels.label(images, scan.available, placed.brain, placed.labels, labels.is_masked(case),
                               grid.spacing_mm)
    return Subject(case.name, images, anatomy, measure_contrast(images, anatomy), scan.available), placed


def _first(case: Case) -> Path:
    """The file to name when the case as a whole is wrong."""
    return next(path for path in case.images if path is not None)


def place_scan(case: Case, scan: Scan, grid: Grid) -> Placed:
    """Put a scan on the study grid, the centre of its brain's bounding box on the grid's centre.

    BraTS lies in the SRI24 atlas's space and others lie anywhere, so that only the brain itself tells where it is.
    Averaging over the target's voxel (a Gaussian, within the brain) comes before sampling; labels are sampled as
    indicators, and the largest wins.

    Raises:
        InputError: if no brain is found.
    """
    given, mask = _given(case, scan)
    millilitres = mask.sum() * abs(np.linalg.det(scan.affine[:3, :3])) / 1000
    if millilitres > LARGEST_BRAIN_ML:
        raise InputError(f"{_first(case)}: {millilitres:.0f} ml are brighter than 0, expected a brain of at most "
                         f"{LARGEST_BRAIN_ML:.0f} ml; strip the skull first, for example with SynthStrip or HD-BET")
    box, to_voxel = _placement(mask, scan.affine, grid)
    images, labels, brain = _resample(scan.images[:, *box], given[box], mask[box], _from(box, to_voxel), grid.shape)
    outside = _share_outside(mask, np.linalg.inv(to_voxel), grid.shape)
    return Placed(images, labels, brain, outside, float(millilitres))


def place_labels(case: Case, scan: Scan, labels: np.ndarray, grid: Grid) -> np.ndarray:
    """Other labels of a scan's voxels, such as the truth of a simulated one, where `place_scan` puts the scan.

    Args:
        case: the scan's files, to be named in messages.
        scan: what is placed by its own brain.
        labels: (X, Y, Z) uint8 in the shared vocabulary, on the scan's voxels.
        grid: the study's.
    """
    to_voxel = _placement(_given(case, scan)[1], scan.affine, grid)[1]
    everywhere = tuple(slice(0, length) for length in labels.shape)
    return _resample(scan.images[:1], labels, np.ones(labels.shape, bool), _from(everywhere, to_voxel), grid.shape)[1]


def voxels_on_grid(case: Case, scan: Scan, grid: Grid) -> np.ndarray:
    """Where `place_scan` puts a scan's voxels: 4×4, its voxel indices to the grid's (arguments as `place_labels`)."""
    return np.linalg.inv(_placement(_given(case, scan)[1], scan.affine, grid)[1])


def _given(case: Case, scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Labels that the scan brings, and its brain: that of its anatomy, or what is bright or tumour."""
    if scan.anatomy is not None:
        given, mask = scan.anatomy, scan.anatomy > 0
    else:
        given = scan.tumour
        mask = brain_mask(scan.images[scan.available], nib.affines.voxel_sizes(scan.affine)) | (given > 0)
    if not mask.any():
        raise InputError(f"{_first(case)}: no brain found, no voxel is positive in two sequences; check the files")
    return given, mask


def _placement(mask: np.ndarray, affine: np.ndarray, grid: Grid) -> tuple[tuple[slice, ...], np.ndarray]:
    """The brain's bounding box, and the map from the grid's voxel indices to the scan's that centres the box."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    start = np.array([side.start for side in box])
    centre = start + (np.array([side.stop for side in box]) - start - 1) / 2
    shift = np.eye(4)
    shift[:3, 3] = nib.affines.apply_affine(affine, centre) - TEMPLATE_CENTRE_MM
    return box, np.linalg.inv(affine) @ shift @ grid.affine


def _from(box: tuple[slice, ...], to_voxel: np.ndarray) -> np.ndarray:
    """A map to voxel indices, counted from the box's first voxel."""
    return nib.affines.from_matvec(np.eye(3), [-side.start for side in box]) @ to_voxel


def brain_mask(images: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The brain of a skull-stripped scan: (n, X, Y, Z) intensities of any scale → (X, Y, Z) bool.

    Positive in at least two sequences, or in the only one (negative values are ringing of an earlier interpolation),
    without what hangs on by a thin neck, the largest piece alone, its holes filled.
    """
    positive = ndimage.binary_fill_holes((images > 0).sum(axis=0) >= min(2, len(images)))
    reach = NECK_MM / 2 / np.asarray(spacing_mm)
    axes = np.ogrid[tuple(slice(-int(size), int(size) + 1) for size in np.maximum(np.round(reach), 1))]
    ball = sum((axis / max(size, 1)) ** 2 for axis, size in zip(axes, reach, strict=True)) <= 1
    core, _ = ndimage.label(ndimage.binary_erosion(positive, ball))
    sizes = np.bincount(core.ravel())
    if len(sizes) == 1:
        return np.zeros(positive.shape, bool)
    largest = core == 1 + np.argmax(sizes[1:])
    # One step farther back than was eroded returns the tips of the gyri; it cannot climb over a neck.
    regrown = ndimage.binary_dilation(ndimage.binary_dilation(largest, ball), ball) & positive
    return ndimage.binary_fill_holes(regrown)


def normalise(images: np.ndarray, brain: np.ndarray, case: Case) -> np.ndarray:
    """Every sequence divided by its own high percentile inside the brain: [0, 1], 0 outside the brain; float32.

    A sequence that the case lacks stays 0.

    Raises:
        InputError: if a sequence has no intensity inside the brain.
    """
    result = np.zeros(images.shape, np.float32)
    for channel, sequence in enumerate(SEQUENCES):
        if case.images[channel] is None:
            continue
        inside = images[channel][brain]
        white = np.percentile(inside, WHITE_PERCENTILE) if inside.size else 0.0
        if white <= 0:
            raise InputError(f"{case.images[channel]}: {sequence} is empty inside the brain; export it again")
        result[channel][brain] = np.clip(inside / white, 0, 1)
    return result


def _resample(
    images: np.ndarray, given: np.ndarray, mask: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, given labels and brain mask on a grid whose voxel indices `to_source` takes to the source's."""
    sigma = _antialiasing_sigma(to_source)

    def sample(volume: np.ndarray) -> np.ndarray:
        smooth = ndimage.gaussian_filter(volume.astype(np.float32), sigma, mode="constant", truncate=3)
        return ndimage.affine_transform(smooth, to_source[:3, :3], to_source[:3, 3], shape, order=1, mode="constant")

    coverage = sample(mask)
    brain = coverage > 0.5
    indicators = {label: sample(given == label) for label in range(1, N_LABELS) if (given == label).any()}
    labels = np.zeros(shape, np.uint8)
    best = coverage - sum(indicators.values()) if indicators else coverage
    for label, indicator in indicators.items():
        labels[brain & (indicator > best)] = label
        best = np.maximum(best, indicator)
    # Divided by the coverage, the brain's rim is not darkened by the empty space beside it.
    divisor = np.where(brain, coverage, 1)
    sampled = np.stack([np.where(brain, sample(volume * mask) / divisor, 0) for volume in images])
    return sampled, labels, brain


def _antialiasing_sigma(to_source: np.ndarray) -> np.ndarray:
    """The Gaussian, in source voxels per axis, that widens a source voxel to the target's; 0 if that is finer."""
    # A target voxel's extent along each source axis, in source voxels; for equal axes this is the ratio of spacings.
    extent = np.linalg.norm(to_source[:3, :3], axis=1)
    return np.sqrt(np.maximum(extent**2 - 1, 0)) / FWHM_PER_SIGMA


def _share_outside(mask: np.ndarray, to_grid: np.ndarray, shape: tuple[int, int, int]) -> float:
    points = nib.affines.apply_affine(to_grid, np.argwhere(mask))
    inside = ((points >= -0.5) & (points <= np.array(shape) - 0.5)).all(axis=1)
    return float(1 - inside.mean())
