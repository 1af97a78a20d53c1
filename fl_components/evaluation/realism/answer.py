"""What may leave a site after its release was compared with its scans, by declared names, and its sum over sites.

No image, feature, mean or covariance of a site's subjects leaves: each site computes its own distances to the release.
Imports nothing heavy, so that the guard can declare the names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from scipy.stats import norm

from fl_components.vocabulary import SEQUENCES
from privacy_eval.errors import InputError

RIM_AUC, VOLUME_AUC = "rim.auc", "volume.auc"
AUCS: Final = (RIM_AUC, VOLUME_AUC)
JOINT: Final = "joint"
"""Features of the four sequences together, as the embedding was trained on them."""

PROFILES: Final = tuple(f"profile.{name}" for name in SEQUENCES)
FRECHETS: Final = tuple(f"frechet.{name}" for name in (*SEQUENCES, JOINT))
MMDS: Final = tuple(f"mmd.{name}" for name in (*SEQUENCES, JOINT))
HISTOGRAMS: Final = tuple(f"histogram.{name}" for name in SEQUENCES)
SPECTRA: Final = tuple(f"spectrum.{name}" for name in SEQUENCES)
SIMILAR_SYNTHETIC: Final = tuple(f"ms_ssim.synthetic.{name}" for name in SEQUENCES)
SIMILAR_REAL: Final = tuple(f"ms_ssim.real.{name}" for name in SEQUENCES)

REALISM_MEASURES: Final = (RIM_AUC, *PROFILES, *FRECHETS, *MMDS, *SIMILAR_SYNTHETIC, *SIMILAR_REAL, *HISTOGRAMS,
                           *SPECTRA, VOLUME_AUC)
"""Every measure. AUCs are .5 and the others 0 where nothing tells synthetic from real, but for MS-SSIM, of which the
synthetic pairs' is to be the real pairs'."""

HEAD: Final = ("n_real", "n_synthetic")
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Measured:
    """A number and its standard error over subjects."""

    value: float
    error: float

    def interval(self, within: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
        """Normal 95 % interval, cut to what is possible."""
        half = float(norm.ppf((1 + CONFIDENCE) / 2)) * self.error
        return max(within[0], self.value - half), min(within[1], self.value + half)


@dataclass(frozen=True)
class RealismStatistics:
    """One site's answer, and everything of it that leaves; or, from `combine_realism`, all sites' together.

    Attributes:
        n_real, n_synthetic: subjects compared; both 0 if the site abstained.
        values: by the names of `REALISM_MEASURES`; one that could not be taken (no tumours at the site) is not there.
    """

    n_real: int
    n_synthetic: int
    values: Mapping[str, Measured] = field(default_factory=dict)

    @classmethod
    def abstention(cls) -> Self:
        """The answer of a site with too few subjects: not even their number."""
        return cls(0, 0)

    @property
    def abstained(self) -> bool:
        """True if the site had too few subjects to take part."""
        return self.n_real == 0

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of a measure that was taken."""
        return self.values[name].interval((0.0, 1.0) if name in AUCS else (-math.inf, math.inf))

    def mean_of(self, names: Sequence[str]) -> Measured:
        """Mean of several measures, such as one figure's four sequences.

        Its standard error is the mean of theirs, as if they went together entirely: an upper bound.
        """
        found = [self.values[name] for name in names]
        return Measured(float(np.mean([one.value for one in found])), float(np.mean([one.error for one in found])))

    def to_scalars(self) -> dict[str, float]:
        """Flat numbers under the names of `realism_names`; what was not measured is 0 with an error of 0."""
        scalars = dict.fromkeys(realism_names(), 0.0)
        scalars |= {"n_real": float(self.n_real), "n_synthetic": float(self.n_synthetic)}
        for name, measured in self.values.items():
            scalars |= {f"{name}.value": measured.value, f"{name}.error": measured.error}
        return scalars

    @classmethod
    def from_scalars(cls, site: str, scalars: Mapping[str, float]) -> Self:
        """Rebuild and check what a site sent.

        Raises:
            InputError: on a missing, unknown, non-finite or impossible value, naming the site and the scalar.
        """
        _check_names(site, scalars)
        n_real, n_synthetic = (_whole(site, name, scalars[name]) for name in HEAD)
        if (n_real == 0) != (n_synthetic == 0):
            raise InputError(f"site '{site}': n_real {n_real}, n_synthetic {n_synthetic}; expected both or neither 0")
        values = {name: measured for name in REALISM_MEASURES if (measured := _measured(site, name, scalars))}
        if n_real == 0 and values:
            raise InputError(f"site '{site}': abstains yet sends {next(iter(values))}; expected zeros")
        return cls(n_real, n_synthetic, values)


def realism_names() -> tuple[str, ...]:
    """The declared list of what may leave a site."""
    return HEAD + tuple(f"{name}.{end}" for name in REALISM_MEASURES for end in ("value", "error"))


def combine_realism(sites: Sequence[RealismStatistics]) -> RealismStatistics:
    """All sites' answers as one, stratified: each measure is taken within sites and averaged, never over pooled scans.

    Sites weigh as many as they have real subjects; errors of sites are independent. `n_synthetic` is the largest of
    the sites', since all compare the same release.

    Raises:
        InputError: if every site abstained.
    """
    taking_part = [site for site in sites if not site.abstained]
    if not taking_part:
        raise InputError("realism: every site abstained; sites need more subjects outside training for it")
    values = {}
    for name in REALISM_MEASURES:
        found = [(site.n_real, site.values[name]) for site in taking_part if name in site.values]
        if found:
            weights = np.array([n for n, _ in found]) / sum(n for n, _ in found)
            value = float(np.sum(weights * [one.value for _, one in found]))
            error = float(np.sqrt(np.sum((weights * [one.error for _, one in found]) ** 2)))
            values[name] = Measured(value, error)
    return RealismStatistics(sum(site.n_real for site in taking_part), max(site.n_synthetic for site in taking_part),
                             values)


def _check_names(site: str, scalars: Mapping[str, float]) -> None:
    expected = set(realism_names())
    missing, unknown = sorted(expected - set(scalars)), sorted(set(scalars) - expected)
    if missing or unknown:
        what = f"lacks '{missing[0]}'" if missing else f"holds the unknown '{unknown[0]}'"
        raise InputError(f"site '{site}': its realism {what}; expected exactly {len(expected)} declared scalars")


def _whole(site: str, name: str, value: float) -> int:
    if not math.isfinite(value) or value < 0 or not float(value).is_integer():
        raise InputError(f"site '{site}': {name} = {value}; expected a whole number of at least 0")
    return int(value)


def _measured(site: str, name: str, scalars: Mapping[str, float]) -> Measured | None:
    value, error = float(scalars[f"{name}.value"]), float(scalars[f"{name}.error"])
    low, high = (0.0, 1.0) if name in AUCS else (-math.inf, math.inf)
    if not (math.isfinite(value) and low <= value <= high):
        raise InputError(f"site '{site}': {name}.value = {value}; expected a finite number"
                         + (" from 0 to 1" if name in AUCS else ""))
    if not math.isfinite(error) or error < 0 or (error == 0 and value != 0):
        raise InputError(f"site '{site}': {name}.error = {error}; expected a finite standard error above 0")
    return Measured(value, error) if error > 0 else None
