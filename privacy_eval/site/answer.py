"""What may leave a site after an audit: n, U statistics and counts too small to be told, under declared names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import SUPPRESSED, CountPair, least, most
from privacy_eval.statistics.ranks import UStatistic

TestId = Literal["T1", "T2", "T4", "T6"]
TESTS: Final[tuple[TestId, ...]] = get_args(TestId)
RANK_TESTS: Final[tuple[TestId, ...]] = ("T1", "T2", "T4")

Condition = Literal["release", "positive", "negative"]
CONDITIONS: Final[tuple[Condition, ...]] = get_args(Condition)
"""The release itself, the leaky control and the disjoint control."""


@dataclass(frozen=True)
class ReplicaCounts:
    """T6 of one site, coded by `counts.suppress`: subjects nearer to a synthetic volume than the threshold."""

    members: int
    holdout: int


@dataclass(frozen=True)
class ConditionStatistics:
    """One condition at one site: U of each rank test that was run, and the replica counts."""

    u: Mapping[str, float]
    replicas: ReplicaCounts


@dataclass(frozen=True)
class SiteStatistics:
    """One site's answer to the audit, and everything of it that leaves.

    Attributes:
        site: the site's name.
        n_members, n_holdout: subjects scored; both 0 if the site abstained.
        minimum_count: the site's own suppression limit, needed to read its codes.
        blind_u: U of the blind baseline V0.
        conditions: statistics of release, positive and negative control; empty if the site abstained.
    """

    site: str
    n_members: int
    n_holdout: int
    minimum_count: int
    blind_u: float
    conditions: Mapping[Condition, ConditionStatistics]

    @classmethod
    def abstention(cls, site: str, minimum_count: int) -> Self:
        """The answer of a site with too few subjects: not even their number."""
        return cls(site, 0, 0, minimum_count, 0.0, {})

    @property
    def abstained(self) -> bool:
        """True if the site had too few subjects to take part."""
        return self.n_members == 0

    @property
    def blind(self) -> UStatistic:
        """V0 of a site that took part."""
        return UStatistic(self.blind_u, self.n_members, self.n_holdout)

    def rank(self, condition: Condition, test: str) -> UStatistic:
        """One rank test's U of a site that took part.

        Raises:
            InputError: if the site did not run that test.
        """
        u = self.conditions[condition].u
        if test not in u:
            raise InputError(f"site '{self.site}': no {test} for the {condition}; it sent {', '.join(sorted(u))}")
        return UStatistic(u[test], self.n_members, self.n_holdout)

    def replicas(self, condition: Condition, favour: Literal["low", "high"]) -> CountPair:
        """T6 with every suppressed count read so that the difference is lowest or highest."""
        coded = self.conditions[condition].replicas
        if favour == "low":
            members, holdout = least(coded.members), most(coded.holdout, self.minimum_count, self.n_holdout)
        else:
            members, holdout = most(coded.members, self.minimum_count, self.n_members), least(coded.holdout)
        return CountPair(members, self.n_members, holdout, self.n_holdout)

    def suppressed(self, condition: Condition) -> bool:
        """True if a count of that condition was too small to be told."""
        coded = self.conditions[condition].replicas
        return SUPPRESSED in (coded.members, coded.holdout)

    def to_scalars(self) -> dict[str, float]:
        """Flat numbers under the names of `scalar_names`; an abstaining site sends zeros."""
        scalars = dict.fromkeys(scalar_names(), 0.0) if self.abstained else {}
        scalars |= {
            "n_members": float(self.n_members),
            "n_holdout": float(self.n_holdout),
            "minimum_count": float(self.minimum_count),
            "V0.u": float(self.blind_u),
        }
        for condition, statistics in self.conditions.items():
            scalars |= {f"{condition}.{test}.u": float(u) for test, u in statistics.u.items()}
            scalars[f"{condition}.T6.members"] = float(statistics.replicas.members)
            scalars[f"{condition}.T6.holdout"] = float(statistics.replicas.holdout)
        return scalars

    @classmethod
    def from_scalars(cls, site: str, scalars: Mapping[str, float], tests: Sequence[TestId] = TESTS) -> Self:
        """Rebuild and check what a site sent.

        Raises:
            InputError: on a missing, unknown, non-finite or impossible value, naming the site and the scalar.
        """
        _check_names(site, scalars, scalar_names(tests))
        n_members = _whole(site, scalars, "n_members", 0, None)
        n_holdout = _whole(site, scalars, "n_holdout", 0, None)
        minimum_count = _whole(site, scalars, "minimum_count", 1, None)
        if n_members == 0 and n_holdout == 0:
            return cls._checked_abstention(site, scalars, minimum_count)
        if min(n_members, n_holdout) < 1:
            raise InputError(f"site '{site}': n_members {n_members}, n_holdout {n_holdout}; expected both or neither 0")
        pairs = n_members * n_holdout
        conditions: dict[Condition, ConditionStatistics] = {
            condition: ConditionStatistics(
                {test: _u(site, scalars, f"{condition}.{test}.u", pairs) for test in tests if test in RANK_TESTS},
                ReplicaCounts(
                    _coded(site, scalars, f"{condition}.T6.members", minimum_count, n_members),
                    _coded(site, scalars, f"{condition}.T6.holdout", minimum_count, n_holdout),
                ),
            )
            for condition in CONDITIONS
        }
        return cls(site, n_members, n_holdout, minimum_count, _u(site, scalars, "V0.u", pairs), conditions)

    @classmethod
    def _checked_abstention(cls, site: str, scalars: Mapping[str, float], minimum_count: int) -> Self:
        told = [name for name, value in scalars.items() if value != 0 and name != "minimum_count"]
        if told:
            raise InputError(f"site '{site}': abstains yet sends {told[0]} = {scalars[told[0]]}; expected 0")
        return cls.abstention(site, minimum_count)


def scalar_names(tests: Sequence[TestId] = TESTS) -> tuple[str, ...]:
    """The declared list of what may leave a site after an audit."""
    names = ["n_members", "n_holdout", "minimum_count", "V0.u"]
    for condition in CONDITIONS:
        names += [f"{condition}.{test}.u" for test in tests if test in RANK_TESTS]
        names += [f"{condition}.T6.members", f"{condition}.T6.holdout"]
    return tuple(names)


def _check_names(site: str, scalars: Mapping[str, float], expected: Sequence[str]) -> None:
    missing = sorted(set(expected) - set(scalars))
    unknown = sorted(set(scalars) - set(expected))
    if missing or unknown:
        what = f"lacks '{missing[0]}'" if missing else f"holds the unknown '{unknown[0]}'"
        raise InputError(f"site '{site}': its audit answer {what}; expected exactly {len(expected)} declared scalars")


def _u(site: str, scalars: Mapping[str, float], name: str, pairs: int) -> float:
    value = float(scalars[name])
    if not 0 <= value <= pairs or not (2 * value).is_integer():
        raise InputError(f"site '{site}': {name} = {value}; expected a multiple of ½ from 0 to n_m·n_h = {pairs}")
    return value


def _whole(site: str, scalars: Mapping[str, float], name: str, low: int, high: int | None) -> int:
    value = float(scalars[name])
    if not math.isfinite(value) or not value.is_integer() or value < low or (high is not None and value > high):
        limit = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise InputError(f"site '{site}': {name} = {value}; expected a whole number {limit}")
    return int(value)


def _coded(site: str, scalars: Mapping[str, float], name: str, minimum_count: int, n: int) -> int:
    value = _whole(site, scalars, name, SUPPRESSED if minimum_count > 1 else 0, n)
    if 0 < value < minimum_count:
        raise InputError(f"site '{site}': {name} = {value} is below {minimum_count}; expected it coded as {SUPPRESSED}")
    return value
