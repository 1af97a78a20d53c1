"""The contrast population: what is known of the sites' contrasts after summarising, and drawing from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fl_components.contrast import MINIMUM_VOXELS, Contrast
from fl_components.study import Study
from fl_components.vocabulary import N_LABELS, N_TISSUES, SEQUENCES
from privacy_eval.errors import InputError

_TRUNCATION = 2.0
"""A drawn contrast lies within this many spreads of its site's mean."""


@dataclass(frozen=True)
class ContrastPopulation:
    """Each site's summary: `mean`, `spread`: (S, 6, 4); `share`: (S,); `simulated`: no site holds a real person."""

    mean: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    simulated: bool

    @classmethod
    def from_summaries(cls, study: Study, summaries: dict[str, Any]) -> ContrastPopulation:
        """Build from the sites' answers to "summarise"; what one site does not know, the others fill in.

        Raises:
            InputError: if a tissue is known at no site.
        """
        sites = list(study.sites)
        mean = np.array([summaries[site]["contrast.mean"] for site in sites], np.float32)
        spread = np.array([summaries[site]["contrast.spread"] for site in sites], np.float32)
        known = np.array([summaries[site]["contrast.count"] for site in sites]) > 0
        if not known.any(axis=0).all():
            raise InputError("contrast population: a tissue is known at no site; every label must occur in enough "
                             "members of at least one site")
        everywhere = np.where(known[:, :, None], mean, np.nan)
        mean = np.where(known[:, :, None], mean, np.nanmean(everywhere, axis=0))
        share = np.array([study.weight(site) for site in sites])
        return cls(mean, spread, share, all(summaries[site]["simulated"] for site in sites))

    def draw(self, labels: np.ndarray, rng: np.random.Generator) -> Contrast:
        """A contrast for an anatomy: one site's mean plus a truncated normal spread.

        Args:
            labels: (X, Y, Z) anatomy; tissues it lacks are marked absent.
            rng: source of the draw.
        """
        site = rng.choice(len(self.share), p=self.share)
        deviation = np.clip(rng.standard_normal((N_TISSUES, len(SEQUENCES))), -_TRUNCATION, _TRUNCATION)
        counts = np.bincount(labels.ravel(), minlength=N_LABELS)[1:]
        present = counts >= MINIMUM_VOXELS
        mean = np.clip(self.mean[site] + self.spread[site] * deviation, 0, 1) * present[:, None]
        return Contrast(mean.astype(np.float32), present)
