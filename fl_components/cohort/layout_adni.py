"""The folder layout of a download from ADNI: `[ADNI/]<subject>/<description>/<date>/<image id>/*.nii[.gz]`, T1 alone.

A person was scanned at several visits, and a visit's scan may be there in several stages of processing: each image is a
scan, and all of a person's scans belong to the person, by whom the site is split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fl_components.cohort.case import Case
from fl_components.site import Tumours
from privacy_eval.errors import InputError

_SUBJECT: Final = re.compile(r"\d{3}_S_\d{4,6}")
_DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})_\d{2}_\d{2}_\d{2}(\.\d+)?")
_IMAGE: Final = re.compile(r"[IS]\d+")
_EXPECTED: Final = "<subject such as 002_S_0295>/<description>/<date such as 2006-04-18_08_20_30.0>/<image id>/*.nii"


def scan_folder(root: Path, tumours: Tumours) -> tuple[list[Case], list[str]]:
    """Every image below `root`, or below its folder `ADNI`, and what is wrong with the others.

    Args:
        root: the site's data.
        tumours: "none", whatever the layout; asked for because every layout is.
    """
    top = root / "ADNI" if (root / "ADNI").is_dir() else root
    cases: dict[str, Case] = {}
    problems = []
    for folder in _image_folders(top):
        try:
            case = _case(folder)
            if case.name in cases:
                raise InputError(f"{folder}: a second image {folder.name} of that person and day; remove one")
            cases[case.name] = case
        except InputError as error:
            problems.append(str(error))
    if not cases and not problems:
        problems.append(f"{root}: no images; expected [ADNI/]{_EXPECTED}")
    return list(cases.values()), problems


def _image_folders(top: Path) -> Iterator[Path]:
    """Folders four levels down, one an image; and folders of a person in which there is nothing at that depth."""
    for subject in sorted(path for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")):
        images = sorted(path for path in subject.glob("*/*/*") if path.is_dir())
        yield from images or [subject]


def _case(folder: Path) -> Case:
    image, date, subject = folder, folder.parent, folder.parents[2]
    day = _DATE.fullmatch(date.name)
    if not _SUBJECT.fullmatch(subject.name) or day is None or not _IMAGE.fullmatch(image.name):
        raise InputError(f"{folder}: not laid out as ADNI's downloads, expected {_EXPECTED}; unpack the download "
                         "again, or choose another data.layout in site.toml")
    found = sorted(path for path in image.iterdir() if path.name.endswith((".nii", ".nii.gz")))
    if not found:
        kinds = sorted({path.suffix for path in image.iterdir() if path.is_file()})
        raise InputError(f"{folder}: no .nii or .nii.gz file (found {', '.join(kinds) or 'nothing'}); download the "
                         "image as NIfTI, or convert it")
    if len(found) > 1:
        raise InputError(f"{found[1]}: a second file beside {found[0].name}, expected one an image; remove one")
    return Case(f"{subject.name}_{day[1]}_{image.name}", (found[0], None, None, None), None, subject.name)
