"""Images that are the same bit for bit: a broken split, a patient under two names, or a copy in the release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Self

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.folder.images import FolderImages


@dataclass(frozen=True)
class Copy:
    """A synthetic image that is a real one: the release leaks, whatever the tests say.

    Attributes:
        synthetic, real: the first file of each.
        group: where the real image is, such as "members".
        patient: whose it is.
    """

    synthetic: Path
    real: Path
    group: str
    patient: str


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        copies: each synthetic image with each group's first image that it equals; any makes the verdict LEAK.
        warnings: sentences that a report must repeat.
    """

    copies: tuple[Copy, ...]
    warnings: tuple[str, ...]


def content_hash(image: np.ndarray) -> str:
    """The same for arrays of the same shape and the same values as float32 (−0 is 0), whatever file held them."""
    values = np.ascontiguousarray(image, "<f4") + np.float32(0)
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=32)
    digest.update(values.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def find_duplicates(
    synthetic: FolderImages, real: Mapping[str, FolderImages], reference: FolderImages | None = None
) -> Duplicates:
    """Compare every image with every other, by hashes of their values.

    Images of one value throughout show nobody; they are left out and counted in a warning.

    Args:
        synthetic: the release.
        real: the groups of patients by their word in messages, such as "members", "holdout", "unseen".
        reference: public images.

    Raises:
        InputError: if two groups of patients, or one and the reference, hold the same image: the split is broken.
    """
    groups = {word: _Hashed.of(group) for word, group in real.items()}
    released, public = _Hashed.of(synthetic), None if reference is None else _Hashed.of(reference)
    everyone = groups if public is None else {**groups, "reference": public}
    for one, other in combinations(everyone, 2):
        _refuse_shared(one, everyone[one], other, everyone[other])
    copies = [
        Copy(released.file(row), hashed.file(hashed.first[digest]), word, hashed.patient(hashed.first[digest]))
        for row, digest in released.shown()
        for word, hashed in groups.items()
        if digest in hashed.first
    ]
    warnings = [_blank(hashed) for hashed in (released, *everyone.values())]
    warnings += [_two_patients(hashed) for hashed in groups.values()]
    warnings.append(_repeated(released))
    if public is not None:
        warnings.append(_public_copies(released, public))
    return Duplicates(tuple(copies), tuple(text for text in warnings if text))


@dataclass(frozen=True)
class _Hashed:
    """A group with the hash of each row (None if the image is blank) and the first row of each hash."""

    group: FolderImages
    digests: tuple[str | None, ...]
    first: Mapping[str, int]

    @classmethod
    def of(cls, group: FolderImages) -> Self:
        digests = tuple(None if np.ptp(image) == 0 else content_hash(image) for image in group.images.images)
        first: dict[str, int] = {}
        for row, digest in enumerate(digests):
            if digest is not None:
                first.setdefault(digest, row)
        return cls(group, digests, first)

    def shown(self) -> Iterator[tuple[int, str]]:
        """Row and hash of every image that is not blank."""
        return ((row, digest) for row, digest in enumerate(self.digests) if digest is not None)

    def file(self, row: int) -> Path:
        return self.group.files[row][0]

    def patient(self, row: int) -> str:
        return self.group.patient_ids[row]


def _refuse_shared(one_word: str, one: _Hashed, other_word: str, other: _Hashed) -> None:
    shared = [row for row, digest in other.shown() if digest in one.first]
    if shared:
        twin = one.first[str(other.digests[shared[0]])]
        more = f" and {len(shared) - 1} more such pairs" if len(shared) > 1 else ""
        raise InputError(
            f"{one.file(twin)} ({one_word}) and {other.file(shared[0])} ({other_word}) are the same image{more}; "
            "expected nobody in two groups, the split is broken, split again by patients"
        )


def _blank(hashed: _Hashed) -> str:
    rows = [row for row, digest in enumerate(hashed.digests) if digest is None]
    if not rows:
        return ""
    return f"{hashed.group.folder}: {len(rows)} images hold one value throughout, such as {hashed.file(rows[0]).name}."


def _two_patients(hashed: _Hashed) -> str:
    pairs = [
        (hashed.first[digest], row)
        for row, digest in hashed.shown()
        if hashed.patient(hashed.first[digest]) != hashed.patient(row)
    ]
    if not pairs:
        return ""
    names = " and ".join(f"{hashed.file(row).name} (patient {hashed.patient(row)})" for row in pairs[0])
    return (
        f"{hashed.group.folder}: {len(pairs)} images repeat another patient's, such as {names}; one person counted "
        "twice makes intervals too narrow."
    )


def _repeated(released: _Hashed) -> str:
    repeats = [(released.first[digest], row) for row, digest in released.shown() if released.first[digest] != row]
    if not repeats:
        return ""
    first, second = (released.file(row).name for row in repeats[0])
    return f"{released.group.folder}: {len(repeats)} synthetic images repeat another, such as {first} and {second}."


def _public_copies(released: _Hashed, public: _Hashed) -> str:
    rows = [row for row, digest in released.shown() if digest in public.first]
    if not rows:
        return ""
    return (
        f"{released.group.folder}: {len(rows)} synthetic images are images of the public reference, such as "
        f"{released.file(rows[0]).name}."
    )
