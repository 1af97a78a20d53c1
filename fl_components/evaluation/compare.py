"""Two segmenters compared on the same subjects: paired, stratified by site, always with an interval and n."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

from privacy_eval.errors import InputError

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and the number of subjects behind it."""

    estimate: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Moments:
    """What leaves a site of its paired differences: `mean`, `sd` (of n - 1) and `n` subjects."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, differences: np.ndarray) -> Moments:
        """Of (n,) differences, nan where a subject lacks the region.

        Raises:
            InputError: if fewer than two subjects have it: one subject's difference is that subject's.
        """
        there = differences[~np.isnan(differences)]
        if len(there) < 2:
            raise InputError(f"a comparison of {len(there)} subject(s) with the region, expected at least 2; the site "
                             "needs more test subjects")
        return cls(float(there.mean()), float(there.std(ddof=1)), len(there))


def over_seeds(scores: Sequence[np.ndarray]) -> np.ndarray:
    """(n,): each subject's mean over (S) seeds, so that subjects and not trainings are counted."""
    mean: np.ndarray = np.mean(np.stack(scores), axis=0)
    return mean


def difference(ours: np.ndarray, reference: np.ndarray, sites: np.ndarray, seed: int = 0) -> Interval:
    """Mean of the paired differences.

    Args:
        ours: (n,) scores, nan where a subject lacks the region.
        reference: (n,) of the same subjects.
        sites: (n,) the site of each, any labels: subjects are resampled within their own.
        seed: of the resampling.

    Raises:
        InputError: if fewer than two subjects have the region.
    """
    return _bootstrap(lambda chosen: (ours - reference)[chosen].mean(axis=-1), ~np.isnan(ours - reference), sites, seed)


def ratio(ours: np.ndarray, reference: np.ndarray, sites: np.ndarray, seed: int = 0) -> Interval:
    """Mean of ours over the mean of the reference (arguments and errors as `difference`)."""
    return _bootstrap(lambda chosen: ours[chosen].mean(axis=-1) / reference[chosen].mean(axis=-1),
                      ~np.isnan(ours - reference), sites, seed)


def mean_score(scores: np.ndarray, sites: np.ndarray, seed: int = 0) -> Interval:
    """Mean over the subjects that have the region (arguments and errors as `difference`)."""
    return _bootstrap(lambda chosen: scores[chosen].mean(axis=-1), ~np.isnan(scores), sites, seed)


def combine(sites: Mapping[str, Moments]) -> Interval:
    """The mean over all sites' subjects from what each site told: subjects count alike, strata are the sites.

    The variance of a stratified mean is Σ (n_s / n)² sd_s² / n_s; the interval is Student's with Satterthwaite's
    degrees of freedom.

    Raises:
        InputError: if there is no site.
    """
    if not sites:
        raise InputError("a comparison over no site; at least one must answer")
    mean, sd, n = (np.array([getattr(site, name) for site in sites.values()], float) for name in ("mean", "sd", "n"))
    weight = n / n.sum()
    variances = weight**2 * sd**2 / n
    estimate, variance = float(weight @ mean), float(variances.sum())
    if variance == 0:
        return Interval(estimate, estimate, estimate, int(n.sum()))
    freedom = variance**2 / float((variances**2 / (n - 1)).sum())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * np.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, int(n.sum()))


def strata(sites: np.ndarray) -> list[np.ndarray]:
    """Indices of each site's subjects; a site of one joins the largest, since one subject cannot be resampled."""
    groups = sorted((np.flatnonzero(sites == site) for site in np.unique(sites)), key=len, reverse=True)
    alone = [group for group in groups if len(group) < 2]
    rest = [group for group in groups if len(group) >= 2] or [np.array([], int)]
    return [np.concatenate([rest[0], *alone]), *rest[1:]]


def _bootstrap(statistic: Callable[[np.ndarray], np.ndarray], there: np.ndarray, sites: np.ndarray,
               seed: int) -> Interval:
    """Percentile bootstrap; `statistic` maps indices of subjects (…, n) to (…)."""
    if there.sum() < 2:
        raise InputError(f"a comparison of {int(there.sum())} subject(s) with the region, expected at least 2; bring "
                         "more test subjects")
    kept = np.flatnonzero(there)
    groups = [kept[group] for group in strata(np.asarray(sites)[kept])]

    def of_groups(*chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(np.moveaxis(np.concatenate(chosen, axis=axis), axis, -1))

    found = stats.bootstrap(groups, of_groups, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, vectorized=True,
                            method="percentile", rng=np.random.default_rng(seed)).confidence_interval
    return Interval(float(statistic(kept)), float(found.low), float(found.high), len(kept))
