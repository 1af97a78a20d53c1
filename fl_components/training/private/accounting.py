"""What a patient has spent: events of accounted mechanisms, composed by Rényi differential privacy.

**Relation.** Two data sets are neighbours if one patient's data is taken out of one, or put in: an empty record is in
its place, which contributes nothing. How many patients a site has is public. This is add/remove with public numbers
("zero-out", `REPLACE_SPECIAL` of dp-accounting; Ponomareva et al. 2023, arXiv 2303.00654, section 2.1): sampled sums
cost in it what they cost in add/remove. *Replacing* a patient by another is a stronger relation, about twice as dear,
and is stated apart (`replacement_epsilon`).

**Events.** A Gaussian mechanism on a Poisson sample, repeated; rate 1 is the plain one. And an answer that is ε-DP for
replacing a patient, as noised audits are: an empty record is one of those that the patient may be replaced by (it
scores below everybody), so it is ε-DP here too, at the same ε.

The stated ε is RDP's: it holds in both directions of the relation and for any mixture of events. Opacus' PRV
accountant is tighter and shown beside it; it is of one direction and of Gaussian events alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq

from privacy_eval.errors import InputError

ADJACENCY: Final = "one patient's data added or removed; the numbers of patients are public"
"""The relation of every ε here, replacement aside."""

ORDERS: Final = (1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.25, 3.5, 3.75, 4, 4.5, 5, 5.5,
                 *range(6, 64), *range(72, 257, 8), 320, 384, 512, 768, 1024)
"""Orders of RDP. Any set is valid; Opacus' own has more below 11, which cost seconds a plan and gain .02 of ε, and
none above 63, which an ε below .3 needs."""

_SPLITS: Final = 65
_LEAST_NOISE, _LARGEST_NOISE = 0.01, 10_000.0


@dataclass(frozen=True)
class SampledGaussian:
    """Noised sums over Poisson samples of the patients.

    Attributes:
        noise: standard deviation in units of what one patient can move the sum by; > 0.
        rate: chance of a patient to be in one sum, in (0, 1].
        steps: how many sums, each of its own sample.
    """

    noise: float
    rate: float
    steps: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.noise) and self.noise > 0 and 0 < self.rate <= 1 and self.steps >= 0):
            raise InputError(f"privacy accounting: {self}; expected noise above 0, a rate in (0, 1], steps of at least "
                             "0: without noise there is no ε")

    def rdp(self) -> np.ndarray:
        """At `ORDERS`, as Opacus computes it."""
        return _sampled_gaussian_rdp(self.noise, self.rate) * self.steps

    def to_record(self) -> dict[str, Any]:
        """For the ledger."""
        return {"mechanism": "sampled gaussian", "noise": self.noise, "rate": self.rate, "steps": self.steps}


@dataclass(frozen=True)
class PureAnswer:
    """An answer that is ε-DP for replacing a patient, hence for taking one out.

    Attributes:
        epsilon: ≥ 0.
    """

    epsilon: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise InputError(f"privacy accounting: {self}; expected an epsilon of at least 0")

    def rdp(self) -> np.ndarray:
        """At `ORDERS`: min(ε, αε²/2) (Bun and Steinke 2016, arXiv 1605.02065, proposition 3.3)."""
        return np.minimum(self.epsilon, np.array(ORDERS) * self.epsilon**2 / 2)

    def to_record(self) -> dict[str, Any]:
        """For the ledger."""
        return {"mechanism": "pure", "epsilon": self.epsilon}


Event = SampledGaussian | PureAnswer


def event_of(record: Mapping[str, Any]) -> Event:
    """Read what `to_record` wrote.

    Raises:
        InputError: if it is of no mechanism that can be accounted for.
    """
    unknown = InputError(f"privacy accounting: {dict(record)!r} is no event that can be accounted for; expected a "
                         "'sampled gaussian' or 'pure' one")
    try:
        if record["mechanism"] == "sampled gaussian":
            return SampledGaussian(float(record["noise"]), float(record["rate"]), int(record["steps"]))
        if record["mechanism"] == "pure":
            return PureAnswer(float(record["epsilon"]))
    except (KeyError, TypeError, ValueError):
        raise unknown from None
    raise unknown


def joint(event: SampledGaussian, sums: int) -> SampledGaussian:
    """The event of several sums over the *same* samples, each with this noise: one Gaussian with noise / √sums.

    Counting them as so many more steps, as an engine attached to two networks does, states too small an ε: for a rate
    of .02, noise of 1 and 2 000 steps 8.97 where it is 13.87.
    """
    return SampledGaussian(event.noise / math.sqrt(sums), event.rate, event.steps)


def epsilon_spent(events: Sequence[Event], delta: float) -> float:
    """ε at δ of all events together, in the module's relation; 0 of none."""
    rdp = _total(events)
    if not rdp.any():
        return 0.0
    _, epsilon = min(zip(*_conversion(rdp, delta), strict=True), key=lambda pair: pair[1])
    return max(0.0, float(epsilon))


def delta_spent(events: Sequence[Event], epsilon: float) -> float:
    """δ at ε of all events together: the inverse of `epsilon_spent`."""
    return float(np.exp(_log_delta(_total(events), np.array([epsilon]))[0]))


def replacement_epsilon(events: Sequence[Event], delta: float) -> float:
    """ε at δ for replacing a patient by another, for whole mixtures of events.

    Taking one out and putting the other in, each (ε₁, δ₁) and (ε₂, δ₂): ε₁ + ε₂ and δ₁ + e^ε₁ δ₂ together, over the
    best split (group privacy of two; Vadhan 2017, lemma 2.2, is the even split). Audits' answers are added as they
    are: theirs is of replacement already.
    """
    sums = [event for event in events if isinstance(event, SampledGaussian) and event.steps]
    audits = sum(event.epsilon for event in events if isinstance(event, PureAnswer))
    if not sums:
        return audits
    rdp = _total(sums)
    shares = np.linspace(0, 1, _SPLITS)

    def excess(epsilon: float) -> float:
        first = shares * epsilon
        together = np.logaddexp(_log_delta(rdp, first), first + _log_delta(rdp, epsilon - first))
        return float(together.min()) - math.log(delta)

    low, high = 0.0, max(1.0, 2 * epsilon_spent(sums, delta))
    if excess(low) <= 0:
        return audits
    while excess(high) > 0:
        high *= 2
    return audits + float(brentq(excess, low, high, xtol=1e-6))


def prv_epsilon(events: Sequence[Event], delta: float) -> float:
    """Opacus' PRV accountant's upper bound for the noised sums, and audits' answers added: tighter than RDP."""
    from opacus.accountants import PRVAccountant  # a second of processor, for private studies alone; so below

    accountant = PRVAccountant()
    accountant.history = [(one.noise, one.rate, one.steps) for one in events
                          if isinstance(one, SampledGaussian) and one.steps]
    audits = sum(one.epsilon for one in events if isinstance(one, PureAnswer))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):  # Opacus takes logarithms of 0 and drops them
        warnings.simplefilter("ignore", UserWarning)
        return audits + (float(accountant.get_epsilon(delta)) if accountant.history else 0.0)


def noise_for(epsilon: float, delta: float, rate: float, steps: int, besides: Sequence[Event] = ()) -> float:
    """The least noise, to four digits, with which so many sums and what is spent besides stay within (ε, δ).

    Raises:
        InputError: if what is spent besides leaves nothing.
    """
    def left(noise: float) -> float:
        return epsilon - epsilon_spent([SampledGaussian(noise, rate, steps), *besides], delta)

    high = 1.0
    while left(high) < 0 and high < _LARGEST_NOISE:
        high *= 2
    if high >= _LARGEST_NOISE:
        raise InputError(f"privacy: epsilon = {epsilon:g} at delta = {delta:g} leaves nothing for training beside "
                         f"{', '.join(str(one) for one in besides) or 'nothing'}; raise epsilon, or spend less on "
                         "summaries and audits")
    low = high / 2
    while left(low) >= 0 and low > _LEAST_NOISE:
        low, high = low / 2, low
    while high / low > 1.0002:  # the bracket's upper end always keeps to ε
        middle = math.sqrt(low * high)
        low, high = (low, middle) if left(middle) >= 0 else (middle, high)
    return high


def _total(events: Sequence[Event]) -> np.ndarray:
    return np.sum([event.rdp() for event in events], axis=0) if events else np.zeros(len(ORDERS))


def _conversion(rdp: np.ndarray, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Orders, and ε at δ by each (Canonne, Kamath, Steinke 2020, arXiv 2004.00010, proposition 12; as Opacus does)."""
    orders = np.array(ORDERS)
    return orders, rdp + np.log1p(-1 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1)


def _log_delta(rdp: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """log δ at each ε, at most 0, by the best order."""
    orders = np.array(ORDERS)
    exponent = (orders - 1) * (rdp - epsilon[:, None] + np.log1p(-1 / orders)) - np.log(orders)
    return np.asarray(np.minimum(exponent.min(axis=1), 0.0))


@lru_cache(maxsize=4096)
def _sampled_gaussian_rdp(noise: float, rate: float) -> np.ndarray:
    from opacus.accountants.analysis import rdp as opacus_rdp

    return np.asarray(opacus_rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=list(ORDERS)))
