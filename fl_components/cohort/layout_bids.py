"""BIDS: `sub-*/[ses-*]/anat/*_{T1w,T2w,FLAIR}.nii[.gz]`, raw or derived, with an optional `dseg` of the anatomy.

T1w with an entity `ce-` is T1ce. A `dseg` lies beside the images or in the same place below `derivatives/<pipeline>`;
its `dseg.tsv` says what its values are, by the inheritance principle of BIDS. A scan is a session, and all sessions of
a person belong to the person, by whom the site is split.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

import numpy as np

from fl_components.cohort.case import Case
from fl_components.site import Tumours
from fl_components.vocabulary import ABBREVIATIONS, BACKGROUND, HEALTHY, LABELS, SEQUENCES, TUMOUR
from privacy_eval.errors import InputError

_ENDINGS: Final = (".nii.gz", ".nii")
_CONTRAST: Final = "ce"
_RUN: Final = re.compile(r"_run-(\d+)")
_NAMES: Final = {name.lower(): label for names in (LABELS, ABBREVIATIONS) for label, name in names.items()} | {
    "cerebrospinal fluid": 1, "gray matter": 2, "necrosis": 4, "edema": 5}
"""What a `dseg.tsv` may call the labels, in its columns `abbreviation` or `name`, in any case of letters."""


def scan_folder(root: Path, tumours: Tumours) -> tuple[list[Case], list[str]]:
    """The sessions of every `sub-*`, and what is wrong with others.

    Args:
        root: of the dataset, raw or a derivative.
        tumours: "masked" asks for a `dseg` of every session.
    """
    cases, problems = [], []
    for subject in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir())
        for folder in sessions or [subject]:
            try:
                cases.append(_case(root, subject.name, folder, tumours))
            except InputError as error:
                problems.append(str(error))
    if not cases and not problems:
        problems.append(f"{root}: no folders sub-*; expected a BIDS dataset, sub-*/[ses-*]/anat/*_T1w.nii.gz")
    return cases, problems


def _case(root: Path, subject: str, folder: Path, tumours: Tumours) -> Case:
    anat = folder / "anat"
    images = tuple(_image(anat, sequence) for sequence in SEQUENCES)
    if not any(images):
        raise InputError(f"{anat}: no T1w, T2w or FLAIR image; add one, or remove the session")
    name = subject if folder.name == subject else f"{subject}_{folder.name}"
    places = [anat, *sorted(root.glob(f"derivatives/*/{folder.relative_to(root)}/anat"))]
    found = [path for place in places for path in _files(place, "dseg")]
    if len(found) > 1:
        raise InputError(f"{found[1]}: a second dseg of {name}, beside {found[0]}; remove one")
    if not found and tumours == "masked":
        raise InputError(f"{anat}: no *_dseg.nii.gz here or below {root / 'derivatives'}, the tumour mask of {name}; "
                         "add it, or mend data.tumours in site.toml")
    return Case(name, images, None, subject, *((found[0], _table(found[0], root)) if found else (None, None)))


def _image(anat: Path, sequence: str) -> Path | None:
    """The session's file of a sequence, the first run if there are several."""
    suffix = "FLAIR" if sequence == "FLAIR" else f"{sequence[:2]}w"
    found = [path for path in _files(anat, suffix)
             if suffix != "T1w" or (_CONTRAST in _entities(path.name)) == (sequence == "T1ce")]
    first = [path for path in found if _is_first_run(path, found)]
    if len(first) > 1:
        raise InputError(f"{first[1]}: a second {sequence} beside {first[0].name}; keep the skull-stripped one, and "
                         "move the other out of the dataset")
    return first[0] if first else None


def _is_first_run(path: Path, among: list[Path]) -> bool:
    """Whether no other file has the same name but for a lower number of its run."""
    run = _RUN.search(path.name)
    alike = [_RUN.search(other.name) for other in among if _RUN.sub("", other.name) == _RUN.sub("", path.name)]
    return run is None or all(int(run[1]) <= int(other[1]) for other in alike if other is not None)


def _files(folder: Path, suffix: str) -> list[Path]:
    """Volumes of a folder whose names end in a BIDS suffix."""
    return sorted(path for ending in _ENDINGS for path in folder.glob(f"sub-*_{suffix}{ending}"))


def _entities(name: str) -> dict[str, str]:
    """The key-value pairs of a BIDS file name."""
    parts = (part.partition("-") for part in name.split(".")[0].split("_"))
    return {key: value for key, dash, value in parts if dash}


def _table(dseg: Path, root: Path) -> Path:
    """The `dseg.tsv` that applies: the nearest above the file that names no entity which the file has not."""
    own = _entities(dseg.name).items()
    for folder in dseg.parents:
        fitting = [path for path in sorted(folder.glob("*dseg.tsv")) if _entities(path.name).items() <= own]
        if fitting:
            return max(fitting, key=lambda path: len(_entities(path.name)))
        if folder == root:
            break
    raise InputError(f"{dseg}: no dseg.tsv beside it or above it says what its values are; add one with the columns "
                     f"index and abbreviation ({', '.join(ABBREVIATIONS.values())})")


def translate_anatomy(data: np.ndarray, path: Path, table: Path) -> tuple[np.ndarray, np.ndarray]:
    """A dseg's values as uint8, and the same in the anatomy's labels.

    Args:
        data: (X, Y, Z) as read.
        path: what to call it in messages.
        table: its `dseg.tsv`. Labels of tissue come all three or not at all: then it is a tumour mask.

    Raises:
        InputError: if the table is damaged, a value that occurs is not in it or not a label of ours, or a tissue is
            missing from it.
    """
    meanings = _read_table(table)
    labels = np.zeros(data.shape, np.uint8)
    for value in np.unique(data):
        name = meanings.get(value, "background" if value == 0 else None)
        if name is None or name.lower() not in _NAMES:
            found = f"{name!r} in" if name else "not in"
            raise InputError(f"{path}: value {value:g} is {found} {table.name}, expected one of "
                             f"{', '.join(ABBREVIATIONS.values())}; merge finer labels into these")
        labels[data == value] = _NAMES[name.lower()]
    here = set(np.unique(labels).tolist())
    if here & set(HEALTHY) and not here >= set(HEALTHY):
        lacking = ", ".join(ABBREVIATIONS[label] for label in HEALTHY if label not in here)
        raise InputError(f"{path}: labels tissue but has no {lacking}; expected CSF, GM and WM, or tumour labels alone "
                         f"({', '.join(ABBREVIATIONS[label] for label in (BACKGROUND, *TUMOUR))})")
    return data.astype(np.uint8), labels


def _read_table(path: Path) -> dict[float, str]:
    """Index → abbreviation, or name where there is none."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return {float(row["index"]): row.get("abbreviation") or row["name"] for row in rows}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a readable dseg.tsv ({type(error).__name__}: {error}); expected the columns "
                         "index and abbreviation or name") from None
