"""Which sampled anatomies a private study's release takes: tumours as large, of the kind and in the place as at sites.

The sites' noised histograms say how often each occurs; the public sampler has shares of its own. A tumour is taken
with a chance in proportion to the sites' share over the public one, histogram by histogram (rejection sampling, von
Neumann 1951), else another grows in the same brain: of what is left, each histogram is the sites' as far as volume,
kind and place go together as publicly.
It is post-processing of the summary: no patient is touched again, and no ε is spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from fl_components.study import Study
from fl_components.training.private.blocks import BLOCKS
from fl_components.training.private.plan import plan_of
from fl_components.training.private.summary import tumour_bins
from fl_components.vocabulary import TUMOUR

PUBLIC_SHARES: Final[Mapping[str, tuple[float, ...]]] = {
    "volume": (0, 0.018, 0.100, 0.308, 0.218, 0.194, 0.162),
    "kind": (0, 0, 0, 0.235, 0, 0, 0.065, 0.700),
    "place": (0.062, 0.060, 0.085, 0.086, 0.160, 0.190, 0.182, 0.175)}
"""Of the public sampler's tumours in the bins of `tumour_bins`: of 400 with a tumour, on the demo's grid."""

USUAL_DEVIATION: Final = 0.1
"""Standard deviation of a site's share around the public one, where noise hides it. Public: of simulated hospitals."""

RAREST: Final = 8.0
"""An anatomy is taken with a chance of at least one in so many where the sites' shares are the public ones; one that is
more times as frequent at the sites comes this much more often at most."""

TRIES: Final = 100
"""Tumours in a brain, then the last is taken: by chance alone it is once in a million brains."""


@dataclass(frozen=True)
class TumourShares:
    """How many times as frequent as publicly each bin of each histogram is at the sites: `times`, by histogram."""

    times: Mapping[str, np.ndarray]

    @classmethod
    def from_summaries(cls, study: Study, summaries: Mapping[str, Mapping[str, Any]]) -> Self | None:
        """Read the sites' noised histograms, mixed in the study's shares; None if the study claims no ε.

        The estimate of each share is the best linear one between what was sent and the public share, as that of the
        contrast is: with noise alone it is public. Whether there is a tumour at all is the study's own to say.

        Args:
            study: that the summaries were given in.
            summaries: by site, as `fl_components.server.population.summaries_of` gives them.
        """
        plan = plan_of(study)
        sites = [site for site in study.sites if site in summaries]
        if plan is None or not sites:
            return None
        share = np.array([study.weight(site) for site in sites])
        share /= share.sum()
        patients = np.array([float(summaries[site]["n_members"]) for site in sites])
        times = {}
        for block in BLOCKS:
            if block.name in PUBLIC_SHARES:
                sums = np.array([summaries[site][f"summary.{block.name}"] for site in sites], float)
                times[block.name] = _times(np.array(PUBLIC_SHARES[block.name]), sums, patients, share,
                                           block.noise(plan.summary_noise))
        return cls(times)

    def takes(self, labels: np.ndarray, spacing_mm: float, chance: float) -> bool:
        """Whether an anatomy is taken.

        Args:
            labels: (X, Y, Z) anatomy.
            spacing_mm: of its voxels.
            chance: a draw of [0, 1).
        """
        most = min(RAREST, float(np.prod([times.max() for times in self.times.values()])))
        return chance * most < self.weight(labels, spacing_mm)

    def weight(self, labels: np.ndarray, spacing_mm: float) -> float:
        """How many times as often as publicly an anatomy is to come; 1 without a tumour."""
        if not np.isin(labels, TUMOUR).any():
            return 1.0
        found = tumour_bins(labels, spacing_mm)
        return float(np.prod([times @ found[name] for name, times in self.times.items()]))


def _times(public: np.ndarray, sums: np.ndarray, patients: np.ndarray, share: np.ndarray, noise: float) -> np.ndarray:
    """(bins,) of the sites' shares over the public ones; 0 in a bin that the sampler does not reach.

    Args:
        public: (bins,) shares of the sampler.
        sums: (sites, bins) noised counts.
        patients: (sites,) their numbers, public.
        share: (sites,) of each site in the release.
        noise: standard deviation of each count's.
    """
    reached = public > 0
    counts = sums[:, reached]
    total = np.clip(counts.sum(axis=1), 1, patients)
    told = share @ (counts / total[:, None])
    error = float(np.sqrt(np.sum((share * noise / total) ** 2)))
    trust = USUAL_DEVIATION**2 / (USUAL_DEVIATION**2 + error**2)
    estimate = np.clip(public[reached] + trust * (told - public[reached]), 0, None)
    times = np.zeros(len(public))
    times[reached] = estimate / estimate.sum() / public[reached] if estimate.any() else 1.0
    return times
