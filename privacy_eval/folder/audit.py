"""The audit on plain folders of NIfTI images: no federation, no generator of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from zlib import error as ZlibError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from privacy_eval.errors import InputError
from privacy_eval.site.answer import TestId
from privacy_eval.site.audit import SiteEvidence, audit_site
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy

LABEL_SUFFIXES: Final = ("seg", "dseg", "mask", "probseg")
"""Files whose name ends in `_<one of these>` are label maps, not images."""

UNSEEN_SHARE: Final = 0.2
"""Share of the holdout set aside for the negative control where no unseen subjects are given."""


@dataclass(frozen=True)
class Volumes:
    """Images of one folder: `images` (n, C, X, Y, Z) float32 in RAS order, `affine` of the first (4×4, mm)."""

    folder: Path
    images: np.ndarray
    affine: np.ndarray


def load_folder(folder: Path, patterns: Sequence[str] = ()) -> Volumes:
    """Read a folder of images, all on one grid.

    Each NIfTI file directly in the folder is a subject (3-D: one sequence; 4-D: the last axis counts sequences); so
    is each direct sub-folder that holds NIfTI files at any depth, one file a sequence.

    Args:
        folder: where the subjects are.
        patterns: for sub-folders, one file name pattern a sequence in the order wanted, such as "*_t1.nii.gz";
            without them all images but label maps, in the order of their names.

    Raises:
        InputError: naming the file: missing folder, no image, damaged file, or another grid than the first one's.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of NIfTI images, check the path")
    subjects = [files for entry in sorted(folder.iterdir()) if (files := _sequence_files(entry, patterns))]
    if not subjects:
        raise InputError(f"{folder}: holds no NIfTI image; expected .nii or .nii.gz files or a folder a subject")
    affine = _read(subjects[0][0])[1]
    first = _subject(subjects[0], affine)
    images = np.empty((len(subjects), *first.shape), np.float32)
    for index, files in enumerate(subjects):
        volume = _subject(files, affine)
        if volume.shape != first.shape:
            raise InputError(
                f"{files[0]}: this subject's images have shape {volume.shape}; expected {first.shape} as "
                f"{subjects[0][0].name}; resample all to one grid and give each subject the same sequences"
            )
        images[index] = volume
    return Volumes(folder, images, affine)


def audit_folders(
    release: Path,
    members: Path,
    holdout: Path,
    rng: np.random.Generator,
    *,
    reference: Path | None = None,
    unseen: Path | None = None,
    patterns: Sequence[str] = (),
    policy: AuditPolicy | None = None,
    minimum_subjects: int = 20,
) -> AuditResult:
    """Audit a folder of synthetic images against members and holdout: T1, T6, and T2 if there is a reference.

    Args:
        release: synthetic images.
        members: images trained on.
        holdout: images of like people, chosen at random before training and never trained on.
        rng: draws the controls and V0's folds.
        reference: public images, never the holdout; without it T2 is left out.
        unseen: further images nobody trained on, for the negative control; without it a random fifth of the
            holdout is set aside for that and not scored.
        patterns: see `load_folder`; the same for every folder.
        policy: tolerances; its `tests` are cut to what the folders allow.
        minimum_subjects: fewest members, and holdout subjects, to audit at all.

    Raises:
        InputError: on a missing folder, a damaged or mismatching image, or too few subjects.
    """
    trained = load_folder(members, patterns)
    others = [_on_grid_of(trained, load_folder(folder, patterns)) for folder in (release, holdout)]
    synthetic, kept = others[0].images, others[1].images
    public = None if reference is None else _on_grid_of(trained, load_folder(reference, patterns)).images
    if unseen is None:
        order = rng.permutation(len(kept))
        aside = max(1, round(UNSEEN_SHARE * len(kept)))
        extra, kept = kept[order[:aside]], kept[order[aside:]]
    else:
        extra = _on_grid_of(trained, load_folder(unseen, patterns)).images
    if min(len(trained.images), len(kept)) < minimum_subjects:
        raise InputError(
            f"{members}, {holdout}: {len(trained.images)} members and {len(kept)} holdout subjects to score; expected "
            f"at least {minimum_subjects} of each; add subjects"
        )
    allowed: tuple[TestId, ...] = ("T1", "T6") if public is None else ("T1", "T2", "T6")
    policy = policy or AuditPolicy()
    policy = replace(policy, tests=tuple(test for test in policy.tests if test in allowed))
    evidence = SiteEvidence(trained.images, kept, extra)
    # Nothing leaves here: the reader of the verdict holds the images, so no count is suppressed.
    statistics = audit_site(evidence, synthetic, public, rng, minimum_subjects, minimum_count=1, site="folders")
    return combine([statistics], policy)


def _sequence_files(entry: Path, patterns: Sequence[str]) -> list[Path]:
    """The image files of one subject, empty if the entry is none."""
    if entry.is_file():
        return [entry] if _is_image(entry) else []
    images = sorted(path for path in entry.rglob("*") if path.is_file() and _is_image(path))
    if not patterns or not images:
        return images
    return [_only_match(entry, images, pattern) for pattern in patterns]


def _only_match(subject: Path, images: Sequence[Path], pattern: str) -> Path:
    found = [path for path in images if path.match(pattern)]
    if len(found) != 1:
        raise InputError(f"{subject}: {len(found)} files match '{pattern}'; expected exactly one, mend name or pattern")
    return found[0]


def _is_image(path: Path) -> bool:
    if not path.name.endswith((".nii", ".nii.gz")) or path.name.startswith("."):
        return False
    return path.name.split(".nii")[0].rsplit("_", 1)[-1].lower() not in LABEL_SUFFIXES


def _subject(files: Sequence[Path], affine: np.ndarray) -> np.ndarray:
    """One subject's sequences, (C, X, Y, Z), each on the grid of `affine`."""
    sequences = []
    for path in files:
        data, own_affine = _read(path)
        _check_grid(path, own_affine, affine)
        sequences.append(np.moveaxis(data, -1, 0) if data.ndim == 4 else data[None])
    shapes = {sequence.shape[1:] for sequence in sequences}
    if len(shapes) > 1:
        raise InputError(f"{files[0].parent}: sequences of different shapes {sorted(shapes)}; resample to one grid")
    return np.concatenate(sequences)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Data in RAS order, 3-D or 4-D float32, and the affine."""
    try:
        image = nib.as_closest_canonical(nib.load(path))
        data = np.asarray(image.dataobj, np.float32)
    except (OSError, EOFError, ValueError, ZlibError, ImageFileError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as NIfTI ({told}); copy or convert it again") from None
    if data.ndim not in (3, 4):
        raise InputError(f"{path}: has {data.ndim} dimensions; expected 3, or 4 with the sequences last")
    if not np.isfinite(data).all():
        raise InputError(f"{path}: holds values that are not finite; expected finite intensities, mend or drop it")
    return data, image.affine


def _check_grid(path: Path, found: np.ndarray, expected: np.ndarray) -> None:
    """Refuse an image whose voxels lie elsewhere by more than half a voxel at the origin or a tenth in size."""
    spacing = np.linalg.norm(expected[:3, :3], axis=0)
    moved = np.abs(found[:3, 3] - expected[:3, 3]).max() > 0.5 * spacing.min()
    turned = np.abs(found[:3, :3] - expected[:3, :3]).max() > 0.1 * spacing.min()
    if moved or turned:
        raise InputError(f"{path}: its affine puts it on another grid than the other images; resample to one")


def _on_grid_of(first: Volumes, other: Volumes) -> Volumes:
    if other.images.shape[1:] != first.images.shape[1:]:
        raise InputError(
            f"{other.folder}: images of shape {other.images.shape[1:]}; expected {first.images.shape[1:]} as in "
            f"{first.folder}; give all folders the same sequences on the same grid"
        )
    _check_grid(other.folder, other.affine, first.affine)
    return other
