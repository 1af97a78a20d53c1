"""A prepared subject: what training and audit read, on the study grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from fl_components.contrast import Contrast
from privacy_eval.errors import InputError


@dataclass(frozen=True)
class Subject:
    """`images`: (4, X, Y, Z) float32 in [0, 1], 0 outside the brain; `labels`: (X, Y, Z) uint8 anatomy."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    contrast: Contrast

    def save(self, folder: Path) -> Path:
        """Write `<folder>/<name>.npz` atomically (images as float16)."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.npz"
        partial = folder / f".{self.name}.partial"
        with partial.open("wb") as stream:
            np.savez(stream, images=self.images.astype(np.float16), labels=self.labels,
                     mean=self.contrast.mean, present=self.contrast.present)
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
                return cls(path.stem, data["images"].astype(np.float32), data["labels"], contrast)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputError(f"{path}: not a readable prepared subject ({error}); prepare the cohort again") from None
