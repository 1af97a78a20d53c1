"""Who labels the tissues of a scan: the mixture, which fits this scan alone, or the labeller, a trained network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from fl_components.cohort.case import Case
from fl_components.cohort.tissue import label_tissues
from fl_components.site import Labelling, Tumours
from fl_components.vocabulary import BACKGROUND, CSF, HEALTHY, SEQUENCES
from privacy_eval.errors import InputError

SPACINGS_MM: Final = (2.0, 4.4)
"""Voxels that the labeller was trained on."""
_MIXED: Final = ("T1", "T2", "FLAIR")
"""What the mixture tells tissues by."""


@dataclass(frozen=True)
class Labels:
    """How a site's scans are labelled: its choice, and what it knows of tumours.

    "auto" is the labeller on the voxels that it knows, where it was measured to be better (docs/labelling.md), and the
    mixture on others.
    """

    choice: Labelling = "auto"
    tumours: Tumours = "masked"

    def method(self, available: np.ndarray, masked: bool, spacing_mm: float) -> Literal["mixture", "labeller"]:
        """Who labels a scan.

        Args:
            available: (4,) bool.
            masked: whether all the scan's tumour is known.
            spacing_mm: of the study's grid.

        Raises:
            InputError: if nobody can, or the one that the site chose cannot.
        """
        low, high = SPACINGS_MM
        fits = low - 1e-6 <= spacing_mm <= high + 1e-6
        lacking = [name for name in _MIXED if not available[SEQUENCES.index(name)]]
        if self.choice == "labeller" or (self.choice == "auto" and (fits or lacking or not masked)):
            if not fits:
                raise InputError(f"a study grid of {spacing_mm:g} mm: the labeller knows voxels of {low:g} to "
                                 f"{high:g} mm; agree on another grid, or bring all sequences and masks and set "
                                 "data.labelling to 'mixture' in site.toml")
            return "labeller"
        if lacking or not masked:
            what = f"needs {', '.join(_MIXED)} and finds no {lacking[0]}" if lacking else "cannot find tumours"
            raise InputError(f"data.labelling = 'mixture' in site.toml: it {what}; expected 'labeller' or 'auto'")
        return "mixture"

    def is_masked(self, case: Case) -> bool:
        """Whether all the case's tumour is known."""
        return self.tumours != "unmasked" or case.seg is not None or case.anatomy is not None

    def label(self, images: np.ndarray, available: np.ndarray, brain: np.ndarray, tumour: np.ndarray, masked: bool,
              spacing_mm: float) -> np.ndarray:
        """The anatomy of a scan, (X, Y, Z) uint8: the given tumour where there is one, background outside the brain.

        Args:
            images: (4, X, Y, Z) normalised intensities.
            available: (4,) bool, the sequences that are there.
            brain: (X, Y, Z) bool.
            tumour: (X, Y, Z) tumour labels, 0 elsewhere.
            masked: whether `tumour` is all the tumour there is; else the labeller finds the rest.
            spacing_mm: of the voxels.

        Raises:
            InputError: as `method`.
        """
        if self.method(available, masked, spacing_mm) == "mixture":
            return label_tissues(images, brain, tumour, spacing_mm)
        from fl_components.networks.labeller import shipped_labeller

        return likeliest(shipped_labeller().probabilities(images, available), brain, tumour, masked)

    def identity(self, case: Case, spacing_mm: float) -> list[str]:
        """What the case's labels depend on besides its files: made anew when it changes (errors as `method`)."""
        available = np.array([path is not None for path in case.images])
        method = self.method(available, self.is_masked(case), spacing_mm)
        return [method, self.tumours, *([_digest()] if method == "labeller" else [])]


def likeliest(probabilities: np.ndarray, brain: np.ndarray, tumour: np.ndarray, masked: bool) -> np.ndarray:
    """The anatomy that the labeller's probabilities (7, X, Y, Z) make; other arguments as `Labels.label`."""
    allowed = probabilities[list(HEALTHY)] if masked else probabilities[CSF:]
    return np.where(brain, np.where(tumour > 0, tumour, allowed.argmax(axis=0) + CSF), BACKGROUND).astype(np.uint8)


@lru_cache(maxsize=1)
def _digest() -> str:
    """SHA-256 of the shipped labeller's file, read once a process; the network itself is not needed for it."""
    from fl_components.networks.labeller import WEIGHTS

    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
