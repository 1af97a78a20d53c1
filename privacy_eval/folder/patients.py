"""Whose image is whose: a list of the user's, or the names of the images.

Several images of one patient give one score, and a patient belongs to one group only: trained on, or held out, or
unseen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Final

from privacy_eval.errors import InputError
from privacy_eval.folder.images import FolderImages
from privacy_eval.folder.layout import bids_patient

COLUMNS: Final = ("image", "patient")


@dataclass(frozen=True)
class PatientLine:
    """One line of the list: its number in the file, counted from 1, and the patient's name."""

    number: int
    patient: str


@dataclass(frozen=True)
class PatientList:
    """A list as it was read: the line of each image, by the image's name."""

    path: Path
    lines: Mapping[str, PatientLine]


def read_patients(path: Path) -> PatientList:
    """Read a list of images and their patients.

    A text file in UTF-8, separated by tabs or commas, whose first line names the columns, among them `image` and
    `patient`. An image is named by its file or sub-folder relative to its folder ("scan7.nii.gz", "sub-01/ses-1"),
    with the folder's own name in front ("holdout/scan7.nii.gz") where two folders have an image of that name.

    Raises:
        InputError: naming the line: no such header, a line of another length, an empty cell, an image named twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected a text file in UTF-8, check the path") from None
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ",")
    columns = [name.strip() for name in next(rows, [])]
    if any(columns.count(name) != 1 for name in COLUMNS):
        raise InputError(f"{path}, line 1: found '{header.strip()}'; expected the header 'image,patient', add it")
    lines: dict[str, PatientLine] = {}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, line {rows.line_num}"
        if len(row) != len(columns):
            raise InputError(f"{where}: has {len(row)} cells; expected {len(columns)} as in the header, mend the line")
        image, patient = (row[columns.index(name)].strip() for name in COLUMNS)
        if not image or not patient:
            raise InputError(f"{where}: found image '{image}' and patient '{patient}'; expected both, fill the cell")
        image = PurePosixPath(image).as_posix()
        if image in lines:
            raise InputError(f"{where}: '{image}' is on line {lines[image].number} already; expected it once, drop one")
        lines[image] = PatientLine(rows.line_num, patient)
    return PatientList(path, lines)


def assign_patients(listed: PatientList, groups: Mapping[str, FolderImages]) -> dict[str, FolderImages]:
    """Give the images of all groups the patients that a list names.

    Args:
        listed: must name every image of the groups, and nothing else.
        groups: the groups of real patients by their word in messages, such as "members", "holdout", "unseen";
            releases and references have no patients to group.

    Raises:
        InputError: naming the line, or the file without one: an unknown image, an image not listed, a name that two
            groups have, a patient of two groups (the split is broken).
    """
    owner: dict[str, str] = {}  # the list's spelling of an image -> its group
    lines: dict[tuple[str, str], PatientLine] = {}
    for word, group in groups.items():
        for name in group.names:
            spelt = _spelling(listed, group, name)
            line = listed.lines[spelt]
            if spelt in owner:
                raise InputError(
                    f"{listed.path}, line {line.number}: '{spelt}' is in {owner[spelt]} and in {word}; expected one "
                    "image, put the folder's name in front and give each a line"
                )
            owner[spelt], lines[word, name] = word, line
    for spelt, line in listed.lines.items():
        if spelt not in owner:
            example = next(iter(groups.values())).names[0]
            raise InputError(
                f"{listed.path}, line {line.number}: no image '{spelt}' in any group; expected a name relative to its "
                f"folder such as '{example}', mend or drop the line"
            )
    _check_one_group(listed.path, lines)
    return {
        word: group.with_patients([lines[word, name].patient for name in group.names])
        for word, group in groups.items()
    }  # fmt: skip


def shared_names(groups: Mapping[str, FolderImages]) -> tuple[str, ...]:
    """A warning for each two groups that hold the same `sub-XX`: one patient on both sides, or two counted alike.

    Args:
        groups: the groups of real patients whose patients come from names, not from a list.
    """
    warnings = []
    for (word, group), (other_word, other) in combinations(groups.items(), 2):
        named = {patient for patient in other.patient_ids if bids_patient(patient) == patient}
        both = sorted(named & set(group.patient_ids))
        if both:
            warnings.append(
                f"{group.folder} and {other.folder} ({word} and {other_word}) both hold {both[0]}"
                + (f" and {len(both) - 1} more such names" if len(both) > 1 else "")
                + "; if that is one person, the split is broken and this audit says nothing."
            )
    return tuple(warnings)


def _spelling(listed: PatientList, group: FolderImages, name: str) -> str:
    """How the list names an image: with the folder's name in front or without."""
    for spelt in (f"{group.folder.name}/{name}", name):
        if spelt in listed.lines:
            return spelt
    raise InputError(f"{group.folder / name}: not in {listed.path}; expected a line for every image, add it")


def _check_one_group(path: Path, lines: Mapping[tuple[str, str], PatientLine]) -> None:
    seen: dict[str, tuple[str, int]] = {}
    for (word, name), line in lines.items():
        first_word, first_line = seen.setdefault(line.patient, (word, line.number))
        if first_word != word:
            raise InputError(
                f"{path}, line {line.number}: patient '{line.patient}' of '{name}' is in {word}, and in {first_word} "
                f"on line {first_line}; expected each patient in one group, split again by patients"
            )
