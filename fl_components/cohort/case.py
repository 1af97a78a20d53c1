"""One scan of one person: its files, and what is read from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fl_components.vocabulary import SEQUENCES


@dataclass(frozen=True)
class Case:
    """The files of one scan; what the person has no file for is None.

    Attributes:
        name: of the scan, unlike any other of the site.
        images: in the order of `SEQUENCES`.
        seg: the tumour mask, in the dialect that the site states.
        subject: the person; scans of one person stay together. Empty where a person has one scan, named as it is.
        anatomy: a BIDS `dseg`.
        table: the `dseg.tsv` that says what its values are.
    """

    name: str
    images: tuple[Path | None, ...]
    seg: Path | None
    subject: str = ""
    anatomy: Path | None = None
    table: Path | None = None

    @property
    def person(self) -> str:
        """Whose scan it is."""
        return self.subject or self.name

    @property
    def volumes(self) -> tuple[Path, ...]:
        """The sequences, then mask and anatomy, as far as they are there."""
        return tuple(path for path in (*self.images, self.seg, self.anatomy) if path is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that the case is made from."""
        return self.volumes if self.table is None else (*self.volumes, self.table)

    @property
    def missing(self) -> tuple[str, ...]:
        """Sequences without a file."""
        return tuple(name for name, path in zip(SEQUENCES, self.images, strict=True) if path is None)


@dataclass(frozen=True)
class Scan:
    """One scan as it lies on disk.

    Attributes:
        images: (4, X, Y, Z) float32, 0 where a sequence is missing.
        values: (X, Y, Z) uint8, the mask's own values; 0 without a mask.
        tumour: (X, Y, Z) uint8, the same in the anatomy's labels.
        affine: voxel indices to RAS millimetres.
        available: (4,) bool, the sequences that are there.
        anatomy: (X, Y, Z) uint8 labels of the whole brain, if the person's files hold them.
    """

    images: np.ndarray
    values: np.ndarray
    tumour: np.ndarray
    affine: np.ndarray
    available: np.ndarray = field(default_factory=lambda: np.ones(len(SEQUENCES), bool))
    anatomy: np.ndarray | None = None
