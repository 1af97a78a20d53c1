"""What may leave a site after an audit, by declared names: n, U statistics, deviates, counts too small to be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, Self

from privacy_eval.battery import CONDITIONS, Condition, Measure, Setting, Sizes
from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import SUPPRESSED, CountPair, least, most
from privacy_eval.statistics.ranks import UStatistic

HEAD: Final = ("n_members", "n_holdout", "minimum_count", "audit_number", "V0.u")
"""Scalars that are no measure's."""

LARGEST_DEVIATE: Final = 10.0
"""No permutation test can give a deviate beyond it."""


class Hits(NamedTuple):
    """A count test: of one site, coded by `counts.suppress`, or summed over sites as it is."""

    members: int
    holdout: int


Value = tuple[float, ...]
"""As `Measure.scalars` names them: (U,) of a rank test, (deviate,) of a normal one, coded (members, holdout) hits."""


@dataclass(frozen=True)
class SiteStatistics:
    """One site's answer to the audit, and everything of it that leaves.

    Attributes:
        site: the site's name.
        setting: what the audit has at hand; the same at every site.
        n_members, n_holdout: patients scored; both 0 if the site abstained.
        minimum_count: the site's own suppression limit, needed to read its codes.
        audit_number: which audit of this study it is for the site, counted from 1; 0 if it abstained.
        blind_u: U of the blind baseline V0.
        values: by condition and measure id; empty if the site abstained.
    """

    site: str
    setting: Setting
    n_members: int
    n_holdout: int
    minimum_count: int
    audit_number: int
    blind_u: float
    values: Mapping[Condition, Mapping[str, Value]] = field(default_factory=dict)

    @classmethod
    def abstention(cls, site: str, setting: Setting, minimum_count: int) -> Self:
        """The answer of a site with too few patients: not even their number."""
        return cls(site, setting, 0, 0, minimum_count, 0, 0.0)

    @property
    def abstained(self) -> bool:
        """True if the site had too few patients to take part."""
        return self.n_members == 0

    @property
    def blind(self) -> UStatistic:
        """V0 of a site that took part."""
        return UStatistic(self.blind_u, self.n_members, self.n_holdout)

    def sizes(self, measure: Measure) -> Sizes:
        """Patients behind a measure."""
        return measure.sizes(self.n_members, self.n_holdout)

    def rank(self, condition: Condition, measure: Measure) -> UStatistic:
        """A rank measure's U of a site that took part."""
        return UStatistic(self.values[condition][measure.id][0], *self.sizes(measure))

    def deviate(self, condition: Condition, measure: Measure) -> float:
        """A normal measure's deviate of a site that took part."""
        return self.values[condition][measure.id][0]

    def hits(self, condition: Condition, measure: Measure) -> Hits:
        """A count measure's coded hits of a site that took part."""
        members, holdout = self.values[condition][measure.id]
        return Hits(int(members), int(holdout))

    def counts(self, condition: Condition, measure: Measure, favour: Literal["low", "high"]) -> CountPair:
        """Hits with every suppressed count read so that the difference is lowest or highest."""
        coded, sizes = self.hits(condition, measure), self.sizes(measure)
        if favour == "low":
            members, holdout = least(coded.members), most(coded.holdout, self.minimum_count, sizes.holdout)
        else:
            members, holdout = most(coded.members, self.minimum_count, sizes.members), least(coded.holdout)
        return CountPair(members, sizes.members, holdout, sizes.holdout)

    def to_scalars(self) -> dict[str, float]:
        """Flat numbers under the names of `scalar_names`; an abstaining site sends zeros."""
        scalars = dict.fromkeys(scalar_names(self.setting), 0.0)
        head = (self.n_members, self.n_holdout, self.minimum_count, self.audit_number, self.blind_u)
        scalars |= {name: float(value) for name, value in zip(HEAD, head, strict=True)}
        for condition, values in self.values.items():
            for measure in self.setting.told:
                for end, part in zip(measure.scalars, values[measure.id], strict=True):
                    scalars[f"{condition}.{measure.id}.{end}"] = float(part)
        return scalars

    @classmethod
    def from_scalars(cls, site: str, scalars: Mapping[str, float], setting: Setting) -> Self:
        """Rebuild and check what a site sent.

        Raises:
            InputError: on a missing, unknown, non-finite or impossible value, naming the site and the scalar.
        """
        read = _Reader(site, scalars)
        read.check_names(scalar_names(setting))
        n_members, n_holdout = read.whole("n_members", 0, None), read.whole("n_holdout", 0, None)
        minimum_count = read.whole("minimum_count", 1, None)
        if n_members == 0 and n_holdout == 0:
            read.check_silence()
            return cls.abstention(site, setting, minimum_count)
        if min(n_members, n_holdout) < 1:
            raise InputError(f"site '{site}': n_members {n_members}, n_holdout {n_holdout}; expected both or neither 0")
        whole = Sizes(n_members, n_holdout)
        values: dict[Condition, Mapping[str, Value]] = {
            condition: {measure.id: read.value(condition, measure, whole, minimum_count)
                        for measure in setting.told}
            for condition in CONDITIONS
        }
        number, blind_u = read.whole("audit_number", 1, None), read.u("V0.u", whole)
        return cls(site, setting, n_members, n_holdout, minimum_count, number, blind_u, values)


def scalar_names(setting: Setting) -> tuple[str, ...]:
    """The declared list of what may leave a site after an audit."""
    return HEAD + tuple(f"{condition}.{measure.id}.{end}" for condition in CONDITIONS
                        for measure in setting.told for end in measure.scalars)


def take_counts(site: SiteStatistics) -> tuple[SiteStatistics, list[int]]:
    """A site's answer without its counts, and the counts, which may leave as its part of a sum alone.

    Args:
        site: an answer in which no count is suppressed (`minimum_count` 1).

    Returns:
        The answer in the setting that sums, and the counts in the order of `totals_of`; zeros if the site abstained.
    """
    setting = replace(site.setting, summed=True)
    values = {condition: {one.id: of[one.id] for one in setting.told} for condition, of in site.values.items()}
    counts = [0] * n_counts(setting)
    if not site.abstained:
        counts = [int(count) for condition in CONDITIONS for one in setting.counted
                  for count in site.values[condition][one.id]]
    return replace(site, setting=setting, values=values), counts


def totals_of(setting: Setting, sums: Sequence[int]) -> dict[Condition, dict[str, Hits]]:
    """Sums over sites by condition and measure id, from the sums of what `take_counts` gave."""
    pairs = iter(zip(sums[::2], sums[1::2], strict=True))
    return {condition: {one.id: Hits(*next(pairs)) for one in setting.counted} for condition in CONDITIONS}


def n_counts(setting: Setting) -> int:
    """How many numbers `take_counts` gives."""
    return 2 * len(CONDITIONS) * len(setting.counted)


@dataclass(frozen=True)
class _Reader:
    """Reads what a site sent and refuses what cannot be."""

    site: str
    scalars: Mapping[str, float]

    def check_names(self, expected: tuple[str, ...]) -> None:
        missing, unknown = sorted(set(expected) - set(self.scalars)), sorted(set(self.scalars) - set(expected))
        if missing or unknown:
            what = f"lacks '{missing[0]}'" if missing else f"holds the unknown '{unknown[0]}'"
            raise InputError(f"site '{self.site}': its audit answer {what}; expected exactly {len(expected)} "
                             "declared scalars")

    def check_silence(self) -> None:
        told = [name for name, value in self.scalars.items() if value != 0 and name != "minimum_count"]
        if told:
            raise InputError(f"site '{self.site}': abstains yet sends {told[0]} = {self.scalars[told[0]]}; expected 0")

    def value(self, condition: Condition, measure: Measure, whole: Sizes, minimum_count: int) -> Value:
        sizes, name = measure.sizes(*whole), f"{condition}.{measure.id}."
        if measure.kind == "rank":
            return (self.u(name + "u", sizes),)
        if measure.kind == "normal":
            return (self._deviate(name + "z"),)
        return (self._coded(name + "members", minimum_count, sizes.members),
                self._coded(name + "holdout", minimum_count, sizes.holdout))

    def u(self, name: str, sizes: Sizes) -> float:
        value, pairs = float(self.scalars[name]), sizes.members * sizes.holdout
        if not 0 <= value <= pairs or not (2 * value).is_integer():
            raise InputError(f"site '{self.site}': {name} = {value}; expected a multiple of ½ from 0 to "
                             f"n_m·n_h = {pairs}")
        return value

    def whole(self, name: str, low: int, high: int | None) -> int:
        value = float(self.scalars[name])
        if not math.isfinite(value) or not value.is_integer() or value < low or (high is not None and value > high):
            limit = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise InputError(f"site '{self.site}': {name} = {value}; expected a whole number {limit}")
        return int(value)

    def _deviate(self, name: str) -> float:
        value = float(self.scalars[name])
        if not abs(value) <= LARGEST_DEVIATE:
            raise InputError(f"site '{self.site}': {name} = {value}; expected within ±{LARGEST_DEVIATE:g}")
        return value

    def _coded(self, name: str, minimum_count: int, n: int) -> int:
        value = self.whole(name, SUPPRESSED if minimum_count > 1 else 0, n)
        if 0 < value < minimum_count:
            raise InputError(f"site '{self.site}': {name} = {value} is below {minimum_count}; expected it coded as "
                             f"{SUPPRESSED}")
        return value
