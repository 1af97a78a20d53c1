"""Sites' noised AUCs together: the noise's own distribution, not a normal one, beside the sampling error.

At the small levels of a family the tails of Laplace noise are heavier than a normal distribution's: with one site whose
noise outweighs its sampling error, a normal approximation at .05/3 rejects an innocent release 1.5 times as often as it
says. So tails are taken of the sum of a normal variable (sampling) and of each site's discrete Laplace variable, from
its characteristic function (Gil-Pelaez 1951), by the midpoint rule of Davies (Biometrika 60:415, 1973).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy.optimize import brentq

from privacy_eval.statistics.private import NoisedAuc
from privacy_eval.statistics.ranks import Estimate, hanley_mcneil_standard_error, null_standard_error

LEAST_TAIL: Final = 1e-9
"""Tails are exact to about this; none smaller is stated."""

_SMOOTH: Final = 0.02
"""Sampling error is taken as at least this share of the noise's SD: 0.02 % more variance, and the integral is short."""


@dataclass(frozen=True)
class NoisedAverage:
    """The average of sites' noised AUCs of one score, stratified by site.

    Weights are the inverse of each site's variance where nothing leaks, sampling and noise: van Elteren's where there
    is no noise. They rest on the numbers of patients and ε alone, so nothing is chosen by what was seen; a small site,
    whose noise is large, does not drown the others.
    """

    sites: tuple[NoisedAuc, ...]

    @cached_property
    def weights(self) -> np.ndarray:
        """Each site's share, (sites,), of sum 1."""
        inverse = np.array([1 / (null_standard_error(site.n_members, site.n_holdout) ** 2 + site.noise_variance)
                            for site in self.sites])
        return inverse / inverse.sum()

    @property
    def value(self) -> float:
        """Unbiased, so not clipped: it can lie outside [0, 1]."""
        return float(self.weights @ [site.auc for site in self.sites])

    @cached_property
    def noise_error(self) -> float:
        """SD of the noise alone."""
        return float(np.sqrt(np.square(self.weights) @ [site.noise_variance for site in self.sites]))

    def sampling_error(self, auc: float) -> float:
        """SE of sampling alone if every site's AUC were `auc` (Hanley & McNeil)."""
        return math.hypot(*(weight * hanley_mcneil_standard_error(auc, site.n_members, site.n_holdout)
                            for weight, site in zip(self.weights, self.sites, strict=True)))

    def standard_error(self, auc: float) -> float:
        """Sampling and noise together."""
        return math.hypot(self.sampling_error(auc), self.noise_error)

    def tail(self, deviation: float, auc: float) -> float:
        """P[value − auc > deviation] if every site's AUC is `auc`, in [`LEAST_TAIL`, 1 − `LEAST_TAIL`]."""
        sampling = max(self.sampling_error(auc), _SMOOTH * self.noise_error)
        steps, decays, widest = self._noise
        far = 9 * math.hypot(sampling, self.noise_error) + 55 * widest  # beyond it lies less than 1e-10
        if abs(deviation) >= far:
            return LEAST_TAIL if deviation > 0 else 1 - LEAST_TAIL
        reach = far + abs(deviation)
        halves = np.arange(int(7.5 / sampling * reach / (2 * np.pi)) + 2) + 0.5  # to where the normal part is 1e-12
        at = 2 * np.pi / reach * halves
        noise = np.prod(decays / (decays + np.sin(at * steps) ** 2), axis=0)
        transform = np.exp(-np.square(at * sampling) / 2) * noise
        found = 0.5 - float(np.sin(at * deviation) @ (transform / halves)) / math.pi
        return min(max(found, LEAST_TAIL), 1 - LEAST_TAIL)

    @cached_property
    def _noise(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Of the noise's transform Π s / (s + sin²(t h)): h and s, (sites, 1); and the widest site's scale."""
        steps = np.array([weight / (4 * site.n_members * site.n_holdout)
                          for weight, site in zip(self.weights, self.sites, strict=True)])
        decays = np.sinh([site.decay / 2 for site in self.sites]) ** 2
        widest = float(np.max(self.weights * np.sqrt([site.noise_variance / 2 for site in self.sites])))
        return steps[:, None], decays[:, None], widest

    def reach(self, level: float, auc: float) -> float:
        """The deviation from `auc` that is exceeded with probability `level` < .5."""
        far = 40 * self.standard_error(auc) * max(1.0, -np.log(level) / 10)
        return float(brentq(lambda deviation: self.tail(deviation, auc) - level, 0, far, xtol=1e-7))

    def estimate(self, confidence: float) -> Estimate:
        """The average within [0, 1], each bound one-sided at `confidence`.

        A bound is the AUC at which what was seen, or what lies beyond, has the probability 1 − confidence; or the
        average and its own error, where that is wider.
        """
        level, seen = 1 - confidence, self.value
        inside = float(np.clip(seen, 0, 1))
        own = self.reach(level, inside)
        low = min(_root(lambda auc: self.tail(seen - auc, auc) - level), max(inside - own, 0.0))
        high = max(_root(lambda auc: level - (1 - self.tail(seen - auc, auc))), min(inside + own, 1.0))
        return Estimate(float(np.clip(seen, low, high)), low, high, confidence,
                        sum(site.n_members for site in self.sites), sum(site.n_holdout for site in self.sites))

    def p_value(self) -> float:
        """One-sided, of "members score no higher than holdout"."""
        return self.tail(self.value - 0.5, 0.5)

    def power(self, auc: float, alpha: float) -> float:
        """Probability that the test at `alpha` rejects when every site's true AUC is `auc`."""
        return self.tail(0.5 + self.reach(alpha, 0.5) - auc, auc)

    def minimum_detectable(self, alpha: float, power: float) -> float:
        """Smallest AUC that the test at `alpha` sees with `power` > .5, at the null's errors; at most 1."""
        return min(1.0, 0.5 + self.reach(alpha, 0.5) + self.reach(1 - power, 0.5))


def _root(rising: Callable[[float], float]) -> float:
    """Where a function of an AUC that rises from below 0 to above it is 0; the end of [0, 1] where it does not."""
    if rising(0.0) >= 0:
        return 0.0
    return 1.0 if rising(1.0) <= 0 else float(brentq(rising, 0, 1, xtol=1e-7))
