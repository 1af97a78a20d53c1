"""Each goal with its figure and whether it was met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.utility_cells import CENTRAL, NONE, Cell
from benchmarks.utility_figures import ABSENT, FEDERATED, Table
from benchmarks.utility_images import BAD, BASELINES, NOTHING, RELEASE
from fl_components.evaluation.compare import difference, ratio
from fl_components.evaluation.training_sets import TrainingSet
from fl_components.vocabulary import REGIONS

NOT_MEASURED: Final = "not measured"
SHARES: Final = {"whole tumour": 0.97, "enhancing": 0.95}
FEW_GAIN: Final = 0.14
EQUIVALENT: Final = 0.01


def goals_of(table: Table, sizes: Mapping[str, int], figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a goal: `goal`, `figure` with its interval, `met` ("yes", "no", or `NOT_MEASURED`).

    On the study's sites' test subjects, SegResNet with usual augmentation, where nothing else is said.

    Args:
        table: the scores.
        sizes: members of each site.
        figures: of `figures_of`.
    """
    goals = [_goal(f"synthetic only ≥ {share:.0%} of real's Dice, {region}",
                   _compared(table, ratio, _row("synthetic only", RELEASE), _row("real"), region), share)
             for region, share in SHARES.items()]
    goals += [_goal(f"10 % real + synthetic ≥ 10 % real + {FEW_GAIN:.2f}, {region}",
                    _compared(table, difference, _row("10 % real + synthetic", RELEASE), _row("10 % real"), region),
                    FEW_GAIN) for region in REGIONS]
    goals += [_goal(f"real + synthetic not below real, {region}",
                    _compared(table, difference, _row("real + synthetic", RELEASE), _row("real"), region), 0.0)
              for region in REGIONS]
    goals += [_federated(table, figures), _small_sites(table, sizes)]
    only = _row("synthetic only", RELEASE)
    for name in (*BASELINES, *NOTHING, *BAD):
        what = "better than the bad generator," if name in BAD else "better than"
        goals.append(_goal(f"release {what} {name}, mean of the regions, synthetic only",
                           _compared(table, difference, only, _row("synthetic only", name)), 0.0))
    return goals


def _row(training_set: TrainingSet, images: str = NONE, trained: str = CENTRAL) -> Cell:
    return Cell(trained, images, training_set, True, "segresnet", 0)


def _compared(table: Table, compare: Any, ours: Cell, theirs: Cell,  # noqa: ANN401 - `ratio` or `difference`
              region: str | None = None) -> dict[str, Any] | str:
    """Of one region, or of each subject's mean over the regions that it has."""
    if ours not in table.rows or theirs not in table.rows:
        return ABSENT
    return table.interval(compare, *(table.values(row, region) if region else table.mean_of_regions(row)
                                     for row in (ours, theirs)))


def _goal(goal: str, figure: dict[str, Any] | str, least: float) -> dict[str, Any]:
    met = NOT_MEASURED if isinstance(figure, str) else "yes" if figure["estimate"] >= least else "no"
    return {"goal": goal, "figure": figure, "met": met}


def _federated(table: Table, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Of means, since the federated scores of single subjects stay at the sites."""
    goal = f"federated within {EQUIVALENT:.2f} of central, trained on real, whole tumour"
    found = [row for row in figures["trained"] if row["trained"] == FEDERATED and row["set"] == "real"
             and row["segmenter"] == "segresnet" and row["augmentation"] == "usual"]
    if not found or isinstance(found[0]["whole tumour"], str) or _row("real") not in table.rows:
        return {"goal": goal, "figure": ABSENT, "met": NOT_MEASURED}
    ours, central = found[0]["whole tumour"], table.values(_row("real"), "whole tumour")[table.ours]
    if ours["n"] != (n := np.count_nonzero(~np.isnan(central))):
        return {"goal": goal, "figure": f"of {ours['n']} test subjects, central of {n}", "met": NOT_MEASURED}
    gap = float(ours["estimate"] - np.nanmean(central))
    return {"goal": goal, "figure": gap, "met": "yes" if abs(gap) <= EQUIVALENT else "no"}


def _small_sites(table: Table, sizes: Mapping[str, int]) -> dict[str, Any]:
    """What synthetic subjects add to a site that trains alone, from the smallest site to the largest."""
    goal = "alone + synthetic gains most at the smallest site, mean of the regions"
    gains = {site: _compared(table, difference, _row("real + synthetic", RELEASE, site), _row("real", NONE, site))
             for site in sorted(sizes, key=lambda site: sizes[site])}
    told = [f"{site} ({sizes[site]}) {gain['estimate']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
            for site, gain in gains.items() if not isinstance(gain, str)]
    if len(told) < len(sizes):
        return {"goal": goal, "figure": "; ".join(told) or ABSENT, "met": NOT_MEASURED}
    estimates: Sequence[float] = [gain["estimate"] for gain in gains.values() if not isinstance(gain, str)]
    return {"goal": goal, "figure": "; ".join(told), "met": "yes" if estimates[0] == max(estimates) else "no"}
