"""The folder layout of BraTS up to 2022: `<case>/<case>_{t1,t1ce,t2,flair,seg}.nii.gz`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fl_components.cohort.case import Case
from fl_components.site import Tumours
from fl_components.vocabulary import SEQUENCES
from privacy_eval.errors import InputError

SUFFIXES: Final = {"T1": "t1", "T1ce": "t1ce", "T2": "t2", "FLAIR": "flair"}
"""How BraTS up to 2022 names the sequences; the tumour mask is `seg`."""


def scan_folder(root: Path, tumours: Tumours) -> tuple[list[Case], list[str]]:
    """The cases of `<root>/<case>/` or `<root>/<group>/<case>/` (such as HGG and LGG), and what is wrong with others.

    Args:
        root: the site's data.
        tumours: unless "masked", a case may be without a mask.
    """
    cases: dict[str, Case] = {}
    problems = []
    for folder in _case_folders(root):
        try:
            case = _case(folder, tumours)
            if case.name in cases:
                first = cases[case.name].files[0].parent
                raise InputError(f"{folder}: a second case named '{case.name}', the first is {first}; "
                                 "a subject may be there only once, remove or rename one")
            cases[case.name] = case
        except InputError as error:
            problems.append(str(error))
    if not cases and not problems:
        problems.append(f"{root}: no cases; expected folders <case>/<case>_{{t1,t1ce,t2,flair,seg}}.nii.gz "
                        "here or one level below")
    return list(cases.values()), problems


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


def _case(folder: Path, tumours: Tumours) -> Case:
    images = tuple(_one_file(folder, SUFFIXES[sequence], sequence) for sequence in SEQUENCES)
    return Case(folder.name, images, _one_file(folder, "seg", "tumour mask", required=tumours == "masked"))


def _one_file(folder: Path, suffix: str, what: str, required: bool = True) -> Path | None:
    stem = folder / f"{folder.name}_{suffix}"
    found = [path for path in (stem.with_name(stem.name + ".nii.gz"), stem.with_name(stem.name + ".nii"))
             if path.is_file()]
    if len(found) > 1:
        raise InputError(f"{found[0]}: there is {found[1].name} too, the case's {what} twice; remove one")
    if not found and required:
        raise InputError(f"{stem}.nii.gz: no such file (nor .nii), the case's {what}; add it or remove the folder")
    return found[0] if found else None
