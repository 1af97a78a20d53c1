"""The groups of one audit, read from their folders and checked against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from privacy_eval.folder.duplicates import Copy, content_hash, find_duplicates
from privacy_eval.folder.images import FolderImages, check_same_grid, read_images
from privacy_eval.folder.patients import assign_patients, read_patients, shared_names
from privacy_eval.spaces.images import label_maps_of
from privacy_eval.spaces.masks import TUMOUR

UNSEEN_SHARE: Final = 0.2
"""Share of the holdout patients set aside for the negative control where no unseen patients are given."""

TUMOUR_SHARE: Final = 0.9
"""Share of the members' and holdout's label maps that must show a tumour for tumours to be compared: a planted copy of
a patient without one cannot be seen by its tumour, and the audit would be void."""

Told = Callable[[str], None]
"""Called with what is being done; may raise to stop."""


class Folders(NamedTuple):
    """Where the images lie.

    Attributes:
        real: images the generator was trained on.
        holdout: images of like patients, chosen at random before training and never trained on.
        synthetic: the release.
        reference: public images, never the holdout; None leaves out what needs them.
        unseen: further images nobody trained on; None sets a random fifth of the holdout patients aside.
        patients: a list of images and their patients, see `read_patients`; None goes by names.
        patterns: see `read_images`; the same for every folder.
    """

    real: Path
    holdout: Path
    synthetic: Path
    reference: Path | None = None
    unseen: Path | None = None
    patients: Path | None = None
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Groups:
    """What is audited; nobody is in two groups, and all images are on one grid.

    Attributes:
        members, holdout: the patients that are compared.
        unseen: patients of the negative control, scored in no test.
        synthetic: the release.
        reference: public images, or None.
        tumours: whether label maps show tumours often enough to compare images by them alone.
        set_aside: patients taken from the holdout to be the unseen ones; 0 where those were given.
        copies: synthetic images bit-identical to real ones.
        warnings: sentences that a report must repeat.
    """

    members: FolderImages
    holdout: FolderImages
    unseen: FolderImages
    synthetic: FolderImages
    reference: FolderImages | None
    tumours: bool
    set_aside: int
    copies: tuple[Copy, ...]
    warnings: tuple[str, ...]


def read_groups(folders: Folders, rng: np.random.Generator, told: Told = lambda stage: None) -> Groups:
    """Read all folders.

    Args:
        folders: where they are.
        rng: draws who is set aside where no unseen patients are given.
        told: what is being read.

    Raises:
        InputError: on a missing folder, a damaged or mismatching image, a patient list that does not fit, or the
            same image in two groups.
    """
    places = {"members": folders.real, "holdout": folders.holdout, "unseen": folders.unseen,
              "synthetic": folders.synthetic, "reference": folders.reference}
    read: dict[str, FolderImages] = {}
    for word, place in places.items():
        if place is not None:
            told(word)
            read[word] = read_images(place, folders.patterns)
            check_same_grid(read["members"], read[word])
    told("looking for copies")
    warnings = [note for group in read.values() for note in group.notes] + _unused_labels(read)
    real = {word: group for word, group in read.items() if word in ("members", "holdout", "unseen")}
    if folders.patients is None:
        warnings += shared_names(real)
    else:
        real = assign_patients(read_patients(folders.patients), real)
    tumours, told_of_tumours = _tumours(read)
    warnings += told_of_tumours
    found = find_duplicates(read["synthetic"], real, read.get("reference"))
    holdout, unseen, set_aside = real["holdout"], real.get("unseen"), 0
    if unseen is None:
        holdout, unseen = _set_aside(holdout, rng)
        set_aside = unseen.images.n_patients
    return Groups(real["members"], holdout, unseen, read["synthetic"], read.get("reference"), tumours, set_aside,
                  found.copies, (*warnings, *found.warnings))


def group_digest(group: FolderImages) -> str:
    """SHA-256 of a group's images, whatever their names and order: 64 hexadecimal digits."""
    hashes = sorted(content_hash(image) for image in group.images.images)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _set_aside(holdout: FolderImages, rng: np.random.Generator) -> tuple[FolderImages, FolderImages]:
    """The holdout without a random fifth of its patients, and those."""
    patients = rng.permutation(np.unique(holdout.images.owners))
    aside = np.isin(holdout.images.owners, patients[: max(1, round(UNSEEN_SHARE * len(patients)))])
    return _rows(holdout, np.flatnonzero(~aside)), _rows(holdout, np.flatnonzero(aside))


def _rows(group: FolderImages, rows: Sequence[int] | np.ndarray) -> FolderImages:
    ids = [group.patient_ids[row] for row in rows]
    kept = replace(group, images=group.images.subset(rows), names=tuple(group.names[row] for row in rows),
                   files=tuple(group.files[row] for row in rows))
    return kept.with_patients(ids)


def _tumours(read: Mapping[str, FolderImages]) -> tuple[bool, list[str]]:
    """Whether tumours can be compared, and a sentence if label maps are there and too few of them show one."""
    if any(group.images.labels is None for group in read.values()):
        return False, []
    shown = [bool(np.isin(label_map, TUMOUR).any()) for word in ("members", "holdout")
             for label_map in label_maps_of(read[word].images)]
    if np.mean(shown) >= TUMOUR_SHARE:
        return True, []
    return False, [f"Tumours alone are not compared: {sum(shown)} of {len(shown)} label maps of members and holdout "
                   f"show one (4, 5 or 6), and {TUMOUR_SHARE:.0%} must; T11 then mostly asks whether there is one."]


def _unused_labels(read: Mapping[str, FolderImages]) -> list[str]:
    """Label maps that some groups have and others lack are used nowhere."""
    without = [str(group.folder) for group in read.values() if group.images.labels is None]
    if not without or len(without) == len(read):
        return []
    return [f"Label maps are used in no test: {' and '.join(without)} {'has' if len(without) == 1 else 'have'} none "
            "that can be used; expected them in every folder."]
