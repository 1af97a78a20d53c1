"""What leaves a site in a study that claims an ε: numbers of patients, and a few rank statistics with noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from privacy_eval.battery import Measure
from privacy_eval.errors import InputError
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.statistics.private import NoisedAuc, noised_auc, total_epsilon

PRIVATE_HEAD: Final = ("n_members", "n_holdout", "audit_number")
"""Scalars that are no statistic: public in such a study, so that nothing is paid for them."""


@dataclass(frozen=True)
class PrivateStatistics:
    """One site's noised answer to the audit, and everything of it that leaves.

    Attributes:
        site: the site's name.
        n_members, n_holdout: patients scored, public; both 0 if the site abstained.
        audit_number: which audit of this study it is for the site, counted from 1; 0 if it abstained.
        statistics: by measure id, each with what it cost; empty if the site abstained.
    """

    site: str
    n_members: int
    n_holdout: int
    audit_number: int
    statistics: Mapping[str, NoisedAuc] = field(default_factory=dict)

    @classmethod
    def noised(cls, answer: SiteStatistics, measures: Sequence[Measure], epsilon: float) -> Self:
        """Draw the noise, anew at each call: keep the result, since each draw that leaves is charged.

        Args:
            answer: the site's full statistics; an abstention stays one and costs nothing.
            measures: those that leave, all of kind "rank".
            epsilon: of the whole answer, split equally.
        """
        if answer.abstained:
            return cls(answer.site, 0, 0, 0)
        return cls(answer.site, answer.n_members, answer.n_holdout, answer.audit_number, {
            one.id: noised_auc(answer.rank("release", one), epsilon / len(measures)) for one in measures})

    @property
    def abstained(self) -> bool:
        """True if the site had too few patients to take part."""
        return self.n_members == 0

    @property
    def epsilon(self) -> float:
        """What the answer cost each member and each holdout patient; 0 for an abstention."""
        return total_epsilon({name: found.epsilon for name, found in self.statistics.items()})

    def to_scalars(self, measures: Sequence[Measure]) -> dict[str, float]:
        """Flat numbers under the names of `private_names`; an abstaining site sends zeros."""
        scalars = dict.fromkeys(private_names(measures), 0.0)
        scalars |= {name: float(getattr(self, name)) for name in PRIVATE_HEAD}
        return scalars | {_name(one): float(found.doubled_u) for one, found in self.statistics.items()}

    @classmethod
    def from_scalars(cls, site: str, scalars: Mapping[str, float], measures: Sequence[Measure],
                     epsilon: float) -> Self:
        """Rebuild and check what a site sent; the noise can take a statistic beyond its range.

        Raises:
            InputError: on a missing, unknown or impossible value, naming the site and the scalar.
        """
        expected = private_names(measures)
        if wrong := sorted(set(scalars) ^ set(expected)):
            what = "lacks" if wrong[0] in expected else "holds the unknown"
            raise InputError(f"site '{site}': its audit answer {what} '{wrong[0]}'; expected exactly {len(expected)} "
                             "declared scalars")
        for name, value in scalars.items():
            if not float(value).is_integer() or (name in PRIVATE_HEAD and value < 0):
                raise InputError(f"site '{site}': {name} = {value}; expected a whole number")
        n_members, n_holdout, number = (int(scalars[name]) for name in PRIVATE_HEAD)
        if not any(scalars.values()):
            return cls(site, 0, 0, 0)
        if min(n_members, n_holdout, number) < 1:
            raise InputError(f"site '{site}': {n_members} members, {n_holdout} holdout patients, audit {number}; "
                             "expected all of at least 1, or an abstention of zeros alone")
        return cls(site, n_members, n_holdout, number, {
            one.id: NoisedAuc(int(scalars[_name(one.id)]), n_members, n_holdout, epsilon / len(measures))
            for one in measures})


def private_names(measures: Sequence[Measure]) -> tuple[str, ...]:
    """The declared list of what may leave a site after an audit in such a study."""
    return (*PRIVATE_HEAD, *(_name(one.id) for one in measures))


def _name(measure: str) -> str:
    return f"release.{measure}.noised_2u"
