"""What all sites answered, as one: ranks and deviates by site, counts by site or as sums over the sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from privacy_eval.battery import Condition, Measure, Setting
from privacy_eval.errors import InputError
from privacy_eval.site.answer import Hits, SiteStatistics
from privacy_eval.statistics.counts import SUPPRESSED, CountPair
from privacy_eval.statistics.ranks import UStatistic
from privacy_eval.verdict.power import Stratum

Totals = Mapping[Condition, Mapping[str, Hits]]
"""Hits summed over all sites, by condition and measure id; nothing is suppressed in them."""

EVEN_SHARES: Final = 0.1
"""Sums over sites are compared as one table: the sites' shares of members may differ by this much, not more."""


@dataclass(frozen=True)
class Answers:
    """The answers of the sites that took part.

    Attributes:
        sites: one answer each.
        totals: the counts, where the sites sent them for their sum alone (`Setting.summed`).
    """

    sites: tuple[SiteStatistics, ...]
    totals: Totals | None = None

    @classmethod
    def of(cls, sites: Sequence[SiteStatistics], totals: Totals | None = None) -> Self:
        """Leave out who abstained, and check that the rest fit together.

        Raises:
            InputError: if no site took part, two have one name, they answered different measures, or sums are missing.
        """
        names = [site.site for site in sites]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"audit: site '{twice[0]}' answered twice; expected one answer a site")
        present = tuple(site for site in sites if not site.abstained)
        if not present:
            raise InputError(f"audit: none of {len(sites)} sites took part; expected at least one with enough patients")
        settings = {site.setting for site in present}
        if len(settings) > 1:
            raise InputError(f"audit: sites answered {len(settings)} different lists of measures; expected one")
        if settings.pop().summed != (totals is not None):
            raise InputError("audit: counts that are summed over sites come with their sums, others without; expected "
                             "the sums exactly where the setting says so")
        return cls(present, totals)

    @property
    def setting(self) -> Setting:
        """What the audit had at hand, the same at every site."""
        return self.sites[0].setting

    def ranks(self, condition: Condition, one: Measure) -> list[UStatistic]:
        """A rank measure's U, one a site."""
        return [site.rank(condition, one) for site in self.sites]

    def deviates(self, condition: Condition, one: Measure) -> list[float]:
        """A normal measure's deviates, one a site."""
        return [site.deviate(condition, one) for site in self.sites]

    def pairs(self, condition: Condition, one: Measure, favour: Literal["low", "high"]) -> list[CountPair]:
        """A count measure's tables, one a site or one of the sums; suppressed counts as `SiteStatistics.counts`."""
        if self.totals is None:
            return [site.counts(condition, one, favour) for site in self.sites]
        hits, whole = self.totals[condition][one.id], self.strata(one)[0]
        return [CountPair(hits.members, whole.members, hits.holdout, whole.holdout)]

    def strata(self, one: Measure) -> list[Stratum]:
        """The patients behind a measure, one entry a site, or one of all where counts are summed."""
        sizes = [site.sizes(one) for site in self.sites]
        if one.kind == "count" and self.totals is not None:
            return [Stratum(sum(n.members for n in sizes), sum(n.holdout for n in sizes), 1)]
        return [Stratum(*n, site.minimum_count) for n, site in zip(sizes, self.sites, strict=True)]

    def where_hit(self, measures: Sequence[Measure]) -> list[str]:
        """Where a count measure hit a member of the release's: sites, or "all sites together"."""
        if self.totals is not None:
            return ["all sites together"] * any(self.totals["release"][one.id].members for one in measures)
        return [site.site for site in self.sites if any(site.hits("release", one).members for one in measures)]

    def where_suppressed(self, measures: Sequence[Measure]) -> list[str]:
        """Sites where a count of the release was too small to be told."""
        if self.totals is not None:
            return []
        return [site.site for site in self.sites
                if any(SUPPRESSED in site.hits("release", one) for one in measures)]

    @property
    def uneven(self) -> bool:
        """Whether sums are compared over sites whose shares of members differ too much for one table."""
        shares = [site.n_members / (site.n_members + site.n_holdout) for site in self.sites]
        return self.totals is not None and bool(np.ptp(shares) > EVEN_SHARES)
