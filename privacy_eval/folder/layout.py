"""Which files of a folder make an image: by their names alone, before any is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from privacy_eval.errors import InputError

Kind = Literal["NIfTI", "PNG"]

_ENDINGS: Final[dict[str, Kind]] = {".nii": "NIfTI", ".nii.gz": "NIfTI", ".png": "PNG"}
_FOREIGN: Final = (
    ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".hdr", ".mgz", ".mha", ".mhd", ".nrrd",
    ".npy", ".npz",
)  # fmt: skip
"""Images that nobody here reads; left out in silence they would make the audited group smaller than it looks."""

LABEL_SUFFIXES: Final = ("dseg", "seg", "mask")
"""Files whose name ends in `_<one of these>` are label maps; where several lie beside an image, the first counts."""
_NO_IMAGE: Final = (*LABEL_SUFFIXES, "probseg")

_BIDS_PATIENT: Final = re.compile(r"(sub-[A-Za-z0-9]+)(?=$|[_./])")


class Entry(NamedTuple):
    """One image, not yet read.

    Attributes:
        name: file or sub-folder relative to the group's folder, with "/"; a session is "sub-01/ses-1".
        files: its files, one or more sequences each.
        labels: its label map, or None.
    """

    name: str
    files: tuple[Path, ...]
    labels: Path | None


def find_entries(folder: Path, patterns: Sequence[str] = ()) -> tuple[Entry, ...]:
    """The images of a folder in the order of their names.

    Each image file directly in the folder is an image. So is each direct sub-folder that holds image files at any
    depth, one file a sequence; and where it holds sub-folders `ses-*`, each of them.

    Args:
        folder: where the images are.
        patterns: for sub-folders, one file name pattern a sequence in the order wanted, such as "*_t1.nii.gz";
            without them all images but label maps, in the order of their names.

    Raises:
        InputError: naming the file: a missing or empty folder, NIfTI and PNG mixed, an image of another kind, a
            pattern that fits no or several files, other sequences than the first image's.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of NIfTI or PNG images, check the path")
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    loose = sorted(path for path in shown if path.is_file())
    entries = [Entry(path.name, (path,), _labels_of_file(path, loose)) for path in loose if _is_image(path)]
    for path in shown:
        if path.is_dir():
            entries += _entries_below(path, patterns)
    if not entries:
        raise InputError(f"{folder}: holds no NIfTI or PNG image; expected .nii, .nii.gz or .png files, check the path")
    entries.sort(key=lambda entry: entry.name)
    _check_one_kind(entries)
    if not patterns:
        _check_sequence_names(entries)
    return tuple(entries)


def kind_of(path: Path) -> Kind | None:
    """The kind of image by the file's ending, None if it is no image.

    Raises:
        InputError: if it is an image that cannot be read here.
    """
    name = path.name.lower()
    if name.endswith(_FOREIGN):
        raise InputError(f"{path}: is neither NIfTI nor PNG; expected .nii, .nii.gz or .png, convert or move it")
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def bids_patient(name: str) -> str | None:
    """The patient "sub-XX" of a name such as "sub-XX_ses-1_T1w.nii.gz" or "sub-XX/ses-1", None for other names."""
    found = _BIDS_PATIENT.match(name)
    return found[1] if found else None


def _stem(path: Path) -> str:
    return re.sub(r"\.(nii|nii\.gz|png)$", "", path.name, flags=re.IGNORECASE)


def _suffix(path: Path) -> str:
    """What follows the last underscore: the sequence in a BIDS name."""
    return _stem(path).rpartition("_")[2].lower()


def _is_image(path: Path) -> bool:
    return kind_of(path) is not None and not ("_" in path.name and _suffix(path) in _NO_IMAGE)


def _entries_below(subject: Path, patterns: Sequence[str]) -> Iterator[Entry]:
    sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir())
    for place in sessions or [subject]:
        files = _files_below(place)
        images = [path for path in files if _is_image(path)]
        if not images:
            continue
        if patterns:
            images = [_only_match(place, images, pattern) for pattern in patterns]
        name = place.relative_to(subject.parent).as_posix()
        yield Entry(name, tuple(images), _preferred(place, [path for path in files if _is_label_map(path)]))
    if sessions:
        for path in _files_below(subject):
            if _is_image(path) and not any(path.is_relative_to(session) for session in sessions):
                raise InputError(f"{path}: lies beside {sessions[0].name}; expected it in a session, move it into one")


def _files_below(place: Path) -> list[Path]:
    found = (path for path in place.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(place).parts))


def _only_match(place: Path, images: Sequence[Path], pattern: str) -> Path:
    found = [path for path in images if path.match(pattern)]
    if len(found) != 1:
        raise InputError(f"{place}: {len(found)} files match '{pattern}'; expected exactly one, mend name or pattern")
    return found[0]


def _is_label_map(path: Path) -> bool:
    return kind_of(path) == "NIfTI" and "_" in path.name and _suffix(path) in LABEL_SUFFIXES


def _labels_of_file(image: Path, loose: Sequence[Path]) -> Path | None:
    """The label map beside `a.nii` is `a_dseg.nii`; beside `sub-1_T1w.nii` also `sub-1_dseg.nii`, as in BIDS."""
    stems = {_stem(image)}
    if bids_patient(image.name):
        stems.add(_stem(image).rpartition("_")[0])
    maps = [path for path in loose if _is_label_map(path) and _stem(path).rpartition("_")[0] in stems]
    return _preferred(image, maps)


def _preferred(place: Path, maps: Sequence[Path]) -> Path | None:
    for suffix in LABEL_SUFFIXES:
        found = [path for path in maps if _suffix(path) == suffix]
        if len(found) > 1:
            raise InputError(
                f"{place}: label maps {found[0].name} and {found[1].name}; expected one, remove or rename the others"
            )
        if found:
            return found[0]
    return None


def _check_one_kind(entries: Sequence[Entry]) -> None:
    files = [path for entry in entries for path in entry.files]
    first = files[0]
    for path in files:
        if kind_of(path) != kind_of(first):
            raise InputError(
                f"{path}: is {kind_of(path)}, {first.name} is {kind_of(first)}; expected one kind in a folder, "
                "convert the others"
            )


def _check_sequence_names(entries: Sequence[Entry]) -> None:
    """In BIDS the suffix names the sequence: T1w of one subject must not be compared with FLAIR of another."""
    first: tuple[str, tuple[str, ...]] | None = None
    for entry in entries:
        loose = entry.files[0].name == entry.name
        if loose or not all(kind_of(path) == "NIfTI" and bids_patient(path.name) for path in entry.files):
            continue
        found = tuple(_suffix(path) for path in entry.files)
        first = first or (entry.name, found)
        if found != first[1]:
            raise InputError(
                f"{entry.files[0].parent}: holds the sequences {', '.join(found)}; expected {', '.join(first[1])} as "
                f"in {first[0]}; give every image the same ones or choose by patterns"
            )
