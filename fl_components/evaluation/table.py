"""What all sites say of a release, combined: strata are the sites, everything with its interval and its n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fl_components.evaluation.anatomies import ANATOMY_NUMBERS
from fl_components.evaluation.arms import Arm
from fl_components.evaluation.compare import CONFIDENCE, Moments, combine
from fl_components.evaluation.realism.answer import combine_realism
from fl_components.evaluation.scores import MEASURES, Measure
from fl_components.evaluation.site_scores import KINDS, Kind, moments_of
from fl_components.evaluation.worth import anatomy_statistics, realism_of
from fl_components.vocabulary import REGIONS
from privacy_eval.statistics.ranks import stratified_auc

Scalars = Mapping[str, Mapping[str, float]]
"""A task's scalars by site."""
Row = dict[str, Any]

_ONE_SIDED: Final = (1 + CONFIDENCE) / 2
"""Of each bound, so that both hold at `CONFIDENCE`."""


def realism_rows(worth: Scalars) -> list[Row]:
    """Each measure of realism over the sites that did not abstain; none if all did."""
    told = [realism_of(site, scalars) for site, scalars in worth.items()]
    if all(one.abstained for one in told):
        return []
    found = combine_realism(told)
    rows = []
    for name, measured in found.values.items():
        low, high = found.interval(name)
        rows.append({"measure": name, "estimate": measured.value, "low": low, "high": high, "n": found.n_real,
                     "n_synthetic": found.n_synthetic})
    return rows


def anatomy_rows(worth: Scalars) -> list[Row]:
    """Each number of the sampled anatomies against the sites', an AUC; those that no site told are left out."""
    told = [anatomy_statistics(scalars) for scalars in worth.values()]
    rows = []
    for name in ANATOMY_NUMBERS:
        if sites := [one[name] for one in told if name in one]:
            found = stratified_auc(sites, _ONE_SIDED)
            rows.append({"measure": name, "estimate": found.value, "low": found.low, "high": found.high,
                         "n": found.n_holdout, "n_synthetic": max(site.n_members for site in sites)})
    return rows


def segmenter_rows(arms: Sequence[tuple[Arm, Scalars]]) -> list[Row]:
    """Scores, and differences to real subjects, of each segmenter and training set: over all seeds, by region.

    Args:
        arms: with the scalars of each site, in the order of `arms_of`: what a site says with a later seed is of all
            seeds so far, so the last one's counts.
    """
    latest = {(arm.segmenter, arm.augmented, arm.trained_on): scalars for arm, scalars in arms}
    seeds = len({arm.seed for arm, _ in arms})
    return [{"segmenter": segmenter, "augmented": augmented, "trained_on": trained_on, "seeds": seeds,
             "measure": measure, "region": region,
             **{kind: _told(scalars, measure, region, kind) for kind in KINDS}}
            for (segmenter, augmented, trained_on), scalars in latest.items()
            for measure in MEASURES for region in REGIONS]


def _told(scalars: Scalars, measure: Measure, region: str, kind: Kind) -> Row | None:
    """All sites together and each by itself; None if no site told it."""
    found = {site: moments for site, told in scalars.items() if (moments := moments_of(told, measure, region, kind))}
    if not found:
        return None
    return {**combine(found).as_dict(), "sites": {site: _of_site(site, moments) for site, moments in found.items()}}


def _of_site(site: str, moments: Moments) -> Row:
    return {**combine({site: moments}).as_dict(), "sd": moments.sd}
