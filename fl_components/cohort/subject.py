"""A prepared subject: what training and audit read, on the study grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from fl_components.contrast import Contrast
from fl_components.vocabulary import SEQUENCES
from privacy_eval.errors import InputError


@dataclass(frozen=True)
class Subject:
    """`images`: (4, X, Y, Z) float32 in [0, 1], 0 outside the brain; `labels`: (X, Y, Z) uint8 anatomy.

    `available`: (4,) bool; a sequence that is not there is 0 everywhere, in images and contrast alike.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    contrast: Contrast
    available: np.ndarray = field(default_factory=lambda: np.ones(len(SEQUENCES), bool))

    def save(self, folder: Path) -> Path:
        """Write `<folder>/<name>.npz` atomically (images as float16)."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.npz"
        partial = folder / f".{self.name}.partial"
        with partial.open("wb") as stream:
            np.savez(stream, images=self.images.astype(np.float16), labels=self.labels,
                     mean=self.contrast.mean, present=self.contrast.present, available=self.available)
        partial.replace(path)
        return path

    @classmethod
    def load(cls, path: Path) -> Subject:
        """Read what `save` wrote.

        Raises:
            InputError: if the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                contrast = Contrast(data["mean"], data["present"])
                return cls(path.stem, data["images"].astype(np.float32), data["labels"], contrast, data["available"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"{path}: not a readable prepared subject ({error}); prepare the cohort again") from None
