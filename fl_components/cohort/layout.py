"""The folder layout of BraTS up to 2022: finding a site's cases and reading one of them."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np

from fl_components.links import require_inside
from fl_components.vocabulary import DIALECTS, SEQUENCES
from privacy_eval.errors import InputError

SUFFIXES: Final = {"T1": "t1", "T1ce": "t1ce", "T2": "t2", "FLAIR": "flair"}
"""How BraTS up to 2022 names the sequences; the tumour mask is `seg`."""
TOLERANCE_VOXELS: Final = 0.1
"""Two geometries are the same if no corner of the volume moves by more."""


@dataclass(frozen=True)
class Case:
    """The files of one case: `images` in the order of `SEQUENCES`, and the tumour mask."""

    name: str
    images: tuple[Path, ...]
    seg: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The four sequences, then the mask."""
        return (*self.images, self.seg)


@dataclass(frozen=True)
class Scan:
    """One case as it lies on disk: `images` (4, X, Y, Z) float32, `values` and `tumour` (X, Y, Z) uint8.

    `values` are the mask's own, `tumour` the same in the anatomy's labels. `affine` takes voxel indices to RAS
    millimetres.
    """

    images: np.ndarray
    values: np.ndarray
    tumour: np.ndarray
    affine: np.ndarray


def find_cases(root: Path) -> list[Case]:
    """The cases of `<root>/<case>/` or `<root>/<group>/<case>/` (such as HGG and LGG), sorted by name.

    Raises:
        InputError: for the first problem that `scan_cases` finds.
    """
    cases, problems = scan_cases(root)
    if problems:
        raise InputError(problems[0])
    return cases


def scan_cases(root: Path) -> tuple[list[Case], list[str]]:
    """All complete cases below `root`, sorted by name, and one line for everything that is wrong with the rest."""
    if not root.is_dir():
        return [], [f"{root}: no such folder; set data.root in site.toml to the folder that holds the cases"]
    cases: dict[str, Case] = {}
    problems = []
    for folder in _case_folders(root):
        try:
            case = _case(folder)
            require_inside(root, case.files)
            if case.name in cases:
                first = cases[case.name].seg.parent
                raise InputError(f"{folder}: a second case named '{case.name}', the first is {first}; "
                                 "a subject may be there only once, remove or rename one")
            cases[case.name] = case
        except InputError as error:
            problems.append(str(error))
    if not cases and not problems:
        problems.append(f"{root}: no cases; expected folders <case>/<case>_{{t1,t1ce,t2,flair,seg}}.nii.gz "
                        "here or one level below")
    return [cases[name] for name in sorted(cases)], problems


def _case_folders(root: Path) -> Iterator[Path]:
    """Folders that hold a case's files, or hold nothing and so are missing them."""
    for folder in _subfolders(root):
        inner = _subfolders(folder)
        if inner and not any(folder.glob("*.nii*")):
            yield from inner
        else:
            yield folder


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _case(folder: Path) -> Case:
    return Case(
        folder.name,
        tuple(_one_file(folder, SUFFIXES[sequence], sequence) for sequence in SEQUENCES),
        _one_file(folder, "seg", "tumour mask"),
    )


def _one_file(folder: Path, suffix: str, what: str) -> Path:
    stem = folder / f"{folder.name}_{suffix}"
    found = [path for path in (stem.with_name(stem.name + ".nii.gz"), stem.with_name(stem.name + ".nii"))
             if path.is_file()]
    if not found:
        raise InputError(f"{stem}.nii.gz: no such file (nor .nii), the case's {what}; add it or remove the folder")
    if len(found) > 1:
        raise InputError(f"{found[0]}: there is {found[1].name} too, the case's {what} twice; remove one")
    return found[0]


def read_scan(case: Case, dialect: str) -> Scan:
    """Read a case and check that its files belong together.

    Args:
        case: from `find_cases`.
        dialect: a key of `vocabulary.DIALECTS`, stated by the site.

    Raises:
        InputError: if a file is damaged or not a 3-D volume, its geometry is ambiguous or not that of the first
            sequence, an intensity is not finite, or the mask holds a value that the dialect does not have.
    """
    volumes = [read_volume(path) for path in case.files]
    reference, affine = volumes[0]
    for path, (data, other) in zip(case.files, volumes, strict=True):
        if data.shape != reference.shape:
            raise InputError(f"{path}: shape {data.shape}, but {case.images[0].name} has {reference.shape}; "
                             "the files of a case must be co-registered on one grid")
        if _displacement(other, affine, data.shape) > TOLERANCE_VOXELS:
            raise InputError(f"{path}: its affine places it elsewhere than {case.images[0].name}; "
                             "the files of a case must be co-registered on one grid")
    for path, (data, _) in zip(case.images, volumes[:-1], strict=True):
        if not np.isfinite(data).all():
            raise InputError(f"{path}: holds values that are not finite; export the sequence again")
    images = np.stack([data.astype(np.float32, copy=False) for data, _ in volumes[:-1]])
    values, tumour = translate_labels(volumes[-1][0], dialect, case.seg)
    return Scan(images, values, tumour, affine)


def translate_labels(seg: np.ndarray, dialect: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A tumour mask's values as uint8, and the same in the anatomy's labels.

    Raises:
        InputError: naming the file, the first value that the dialect does not have, and those that it has.
    """
    labels = DIALECTS[dialect]
    expected = (0, *labels)
    for value in np.unique(seg):
        if value not in expected:
            raise InputError(f"{path}: label value {value:g} is not in dialect '{dialect}', expected "
                             f"{', '.join(map(str, expected))}; mend the mask or data.dialect in site.toml")
    values = seg.astype(np.uint8)
    table = np.zeros(max(expected) + 1, np.uint8)
    table[list(labels)] = list(labels.values())
    return values, table[values]


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A 3-D NIfTI-1 volume, its checksum verified: data (X, Y, Z) in its scaled type, affine to RAS millimetres.

    Raises:
        InputError: if the file cannot be read to its end, is not 3-D, or its sform and qform disagree.
    """
    try:
        # Read to the end first: nibabel stops at the last voxel, before gzip's checksum is compared.
        content = path.read_bytes()
        image = nib.Nifti1Image.from_bytes(gzip.decompress(content) if path.suffix == ".gz" else content)
        data = np.asarray(image.dataobj)
    except (OSError, EOFError, zlib.error, ValueError, nib.filebasedimages.ImageFileError,
            nib.spatialimages.HeaderDataError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable NIfTI file ({reason}); copy it again from its source") from None
    if data.ndim != 3:
        raise InputError(f"{path}: {data.ndim} dimensions {data.shape}, expected one 3-D volume; split it into files")
    _check_geometry(path, image)
    return data, image.affine


def _check_geometry(path: Path, image: nib.Nifti1Image) -> None:
    try:
        affines = image.get_qform(coded=True)[0], image.get_sform(coded=True)[0]
    except nib.spatialimages.HeaderDataError as error:
        raise InputError(f"{path}: its geometry is damaged ({error}); export it again") from None
    coded = [affine for affine in affines if affine is not None]
    if not coded:
        raise InputError(f"{path}: neither sform nor qform is set, its axes are unknown; export it with its geometry")
    if any(not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9 for affine in coded):
        raise InputError(f"{path}: its affine is singular; export it with its geometry")
    if _displacement(coded[0], coded[-1], image.shape) > TOLERANCE_VOXELS:
        raise InputError(f"{path}: its sform and qform place it differently; write one affine into both")


def _displacement(affine: np.ndarray, reference: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far, in voxels of the reference, the farthest corner of the volume lies from the reference's."""
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, size - 1) for size in shape))], float)
    moved = corners @ np.linalg.solve(reference, affine).T
    return float(np.abs(moved - corners).max())
