"""A site's scans on disk: found by the layout that it states, and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from fl_components.cohort import layout_adni, layout_bids, layout_brats
from fl_components.cohort.case import Case, Scan
from fl_components.cohort.volume import TOLERANCE_VOXELS, displacement, read_volume
from fl_components.links import require_inside
from fl_components.site import Layout, Tumours
from fl_components.vocabulary import DIALECTS, HEALTHY, SEQUENCES, TUMOUR
from privacy_eval.errors import InputError

Found = tuple[list[Case], list[str]]
"""Usable cases, and one line for everything that is wrong with the rest."""

_SCANNERS: Final[dict[str, Callable[[Path, Tumours], Found]]] = {
    "brats": layout_brats.scan_folder, "bids": layout_bids.scan_folder, "adni": layout_adni.scan_folder}


def find_cases(root: Path, layout: Layout = "brats", tumours: Tumours = "masked") -> list[Case]:
    """The cases below a folder, sorted by name.

    Raises:
        InputError: for the first problem that `scan_cases` finds.
    """
    cases, problems = scan_cases(root, layout, tumours)
    if problems:
        raise InputError(problems[0])
    return cases


def scan_cases(root: Path, layout: Layout = "brats", tumours: Tumours = "masked") -> Found:
    """All complete cases below `root`, sorted by name, and one line for everything that is wrong with the rest.

    Args:
        root: the site's data.
        layout: how they are laid out; see `layout_brats`, `layout_bids` and `layout_adni`.
        tumours: "masked" asks for a tumour mask of every case.
    """
    if not root.is_dir():
        return [], [f"{root}: no such folder; set data.root in site.toml to the folder that holds the cases"]
    found, problems = _SCANNERS[layout](root, tumours)
    cases = []
    for case in sorted(found, key=lambda case: case.name):
        try:
            require_inside(root, case.files)
            cases.append(case)
        except InputError as error:
            problems.append(str(error))
    return cases, problems


def read_scan(case: Case, dialect: str | None) -> Scan:
    """Read a case and check that its files belong together.

    Args:
        case: from `find_cases`.
        dialect: of the mask, a key of `vocabulary.DIALECTS`, stated by the site; None where no case has a mask.

    Raises:
        InputError: if a file is damaged or not a 3-D volume, its geometry is ambiguous or not that of the first
            sequence, an intensity is not finite, or the mask holds a value that the dialect does not have.
    """
    first = next(path for path in case.images if path is not None)
    volumes = {path: read_volume(path) for path in case.volumes}
    reference, affine = volumes[first]
    for path, (data, other) in volumes.items():
        if data.shape != reference.shape:
            raise InputError(f"{path}: shape {data.shape}, but {first.name} has {reference.shape}; "
                             "the files of a case must be co-registered on one grid")
        if displacement(other, affine, data.shape) > TOLERANCE_VOXELS:
            raise InputError(f"{path}: its affine places it elsewhere than {first.name}; "
                             "the files of a case must be co-registered on one grid")
    images = np.zeros((len(SEQUENCES), *reference.shape), np.float32)
    for channel, sequence in enumerate(case.images):
        if sequence is not None:
            data = volumes[sequence][0]
            if not np.isfinite(data).all():
                raise InputError(f"{sequence}: holds values that are not finite; export the sequence again")
            images[channel] = data
    available = np.array([path is not None for path in case.images])
    values = tumour = np.zeros(reference.shape, np.uint8)
    anatomy = None
    if case.seg is not None and dialect is not None:
        values, tumour = translate_labels(volumes[case.seg][0], dialect, case.seg)
    if case.anatomy is not None and case.table is not None:
        values, labels = layout_bids.translate_anatomy(volumes[case.anatomy][0], case.anatomy, case.table)
        tumour = np.where(np.isin(labels, TUMOUR), labels, 0).astype(np.uint8)
        anatomy = labels if np.isin(labels, HEALTHY).any() else None
    return Scan(images, values, tumour, affine, available, anatomy)


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
