"""A folder of images of any origin, read as the audit takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.folder.layout import Entry, bids_patient, find_entries, kind_of
from privacy_eval.folder.nifti import check_affine, read_nifti
from privacy_eval.folder.png import read_png
from privacy_eval.spaces.images import ImageSet

LABEL_VALUES: Final = (
    "0 background, 1 CSF, 2 grey matter, 3 white matter, 4 necrotic core, 5 oedema, 6 enhancing tumour"
)
_HIGHEST_LABEL: Final = 6
_TISSUES: Final = {1, 2, 3}


@dataclass(frozen=True)
class FolderImages:
    """The images of one folder.

    Attributes:
        folder: where they were read.
        images: as the audit takes them: (n, C, *grid) float32; NIfTI in RAS order as stored, PNG from 0 to 1 with
            the axes (rows, columns). `images.patients` numbers `patient_ids` in the order they first appear.
        names: of each row, the file or sub-folder relative to the folder.
        files: of each row, the files it was read from.
        patient_ids: of each row, the patient's name: "sub-XX" where the row's name has it, else the row's name.
        affine: of the first image, 4×4 in mm; None for PNG.
        notes: sentences that a report must repeat, such as why label maps were not used.
    """

    folder: Path
    images: ImageSet
    names: tuple[str, ...]
    files: tuple[tuple[Path, ...], ...]
    patient_ids: tuple[str, ...]
    affine: np.ndarray | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def with_patients(self, ids: Sequence[str]) -> Self:
        """The same images with another patient's name for each row."""
        numbers = {patient: number for number, patient in enumerate(dict.fromkeys(ids))}
        patients = np.array([numbers[patient] for patient in ids])
        return replace(self, images=replace(self.images, patients=patients), patient_ids=tuple(ids))


def read_images(folder: Path, patterns: Sequence[str] = ()) -> FolderImages:
    """Read a folder of NIfTI or PNG images, all on one grid; see `layout.find_entries` for what an image is.

    Label maps (NIfTI, `_dseg`, `_seg` or `_mask` beside the image, in the values of `LABEL_VALUES`) are read if
    every image has one. Maps that name no tissue, or only some of the tissues 1, 2, 3, cannot be anatomies in these
    values (BraTS numbers, a mask of ones) and are not used; `notes` says so. BraTS maps that number the enhancing
    tumour 3 cannot be told from anatomies: relabel or rename them.

    Images named `sub-XX` as in BIDS, with sessions or without, are grouped by that patient; any other image is a
    patient of its own unless a list says otherwise (`patients.assign_patients`).

    Args:
        folder: where the images are.
        patterns: for sub-folders, one file name pattern a sequence in the order wanted, such as "*_t1.nii.gz".

    Raises:
        InputError: naming the file: missing or empty folder, kinds mixed, a damaged file, values that are not
            finite, another shape or grid than the first image's, or label values that are none of ours.
    """
    entries = find_entries(folder, patterns)
    first, affine = _image(entries[0], None)
    images = np.empty((len(entries), *first.shape), np.float32)
    for row, entry in enumerate(entries):
        image = first if row == 0 else _image(entry, affine)[0]
        if image.shape != first.shape:
            raise InputError(
                f"{entry.files[0]}: this image has shape {image.shape}; expected {first.shape} as "
                f"{entries[0].files[0].name}; resample all to one grid and give each the same sequences"
            )
        images[row] = image
    labels, notes = _labels(folder, entries, first.shape[1:], affine)
    names = tuple(entry.name for entry in entries)
    files = tuple(entry.files for entry in entries)
    found = FolderImages(folder, ImageSet(images, labels), names, files, names, affine, notes)
    return found.with_patients([bids_patient(name) or name for name in names])


def check_same_grid(first: FolderImages, other: FolderImages) -> None:
    """Refuse a folder whose images cannot be compared with the first one's.

    Raises:
        InputError: naming the other folder: another kind of file, other sequences, another shape or affine.
    """
    if (first.affine is None) != (other.affine is None):
        kinds = ["PNG" if group.affine is None else "NIfTI" for group in (other, first)]
        raise InputError(f"{other.folder}: holds {kinds[0]}; expected {kinds[1]} as in {first.folder}, convert one")
    found, expected = other.images.images.shape[1:], first.images.images.shape[1:]
    if found != expected:
        raise InputError(
            f"{other.folder}: images of shape {found}; expected {expected} as in {first.folder}; give all folders the "
            "same sequences on the same grid"
        )
    if first.affine is not None and other.affine is not None:
        check_affine(other.folder, other.affine, first.affine)


def _image(entry: Entry, expected: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """One image's sequences, (C, *grid), each on the grid of the affine (its own first one if none is given)."""
    sequences = []
    for path in entry.files:
        if kind_of(path) == "PNG":
            sequences.append(read_png(path))
            continue
        data, affine = read_nifti(path)
        expected = affine if expected is None else expected
        check_affine(path, affine, expected)
        sequences.append(data)
    shapes = sorted({sequence.shape[1:] for sequence in sequences})
    if len(shapes) > 1:
        raise InputError(f"{entry.files[0].parent}: sequences of different shapes {shapes}; resample to one grid")
    return np.concatenate(sequences), expected


def _labels(
    folder: Path, entries: Sequence[Entry], grid: tuple[int, ...], affine: np.ndarray | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Label maps, (n, *grid) uint8, or None; and a sentence if there are some that are not used."""
    paths = [entry.labels for entry in entries if entry.labels is not None]
    if not paths or affine is None:
        return None, ()
    if len(paths) < len(entries):
        return None, (f"{folder}: label maps of {len(paths)} of {len(entries)} images are not used; all need one.",)
    labels = np.stack([_label_map(path, grid, affine) for path in paths])
    present = set(np.unique(labels).tolist())
    if present == {0} or present & _TISSUES not in (set(), _TISSUES):
        return None, (
            f"{folder}: label maps are not used, their values {sorted(present)} are no anatomy; expected "
            f"{LABEL_VALUES}.",
        )
    return labels, ()


def _label_map(path: Path, grid: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    data, own_affine = read_nifti(path)
    if data.shape != (1, *grid):
        raise InputError(f"{path}: label map of shape {data.shape[1:]}; expected {grid} as its image, resample it")
    check_affine(path, own_affine, affine)
    values = np.unique(data)
    wrong = values[(values != np.round(values)) | (values < 0) | (values > _HIGHEST_LABEL)]
    if len(wrong):
        raise InputError(
            f"{path}: holds the label {wrong[0]:g}; expected {LABEL_VALUES}; relabel it, or move it away to audit "
            "images alone"
        )
    return data[0].astype(np.uint8)
