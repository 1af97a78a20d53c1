"""The figures of the augmentation table, row by row, as `benchmarks.tables` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.utility_cells import CENTRAL, NONE, Cell, rows_of
from benchmarks.utility_images import BAD, NOTHING, RELEASE, SEPARATING
from fl_components.evaluation.compare import Interval, difference, mean_score, over_seeds, ratio
from fl_components.evaluation.scores import Measure, Scores
from fl_components.vocabulary import REGIONS
from privacy_eval.errors import InputError

FEDERATED: Final = "federated"
SHARE: Final = "share of real"
"""Name of a row's Dice over that of the same segmenter trained on real subjects, means of the regions."""
ABSENT: Final = "–"
"""In a table: not measured, or on fewer than two subjects."""

PAPER: Final = [
    {"segmenter": segmenter, "real": real, "real + synthetic": both, "synthetic only": synthetic,
     "synthetic only, then 10 % real": tuned}
    for segmenter, real, both, synthetic, tuned in (
        ("GAN-based, no augmentation", "0.64/0.14", "0.80/0.07", "0.25/0.14", "0.80/0.18"),
        ("GAN-based, with augmentation", "0.81/0.13", "0.82/0.08", "0.44/0.16", "0.81/0.09"),
        ("Wang et al., with augmentation", "0.85/0.15", "0.86/0.09", "0.66/0.13", "0.84/0.15"))]
"""Table 1 of Shin et al. 2018 (arXiv 1807.10225), whole tumour, mean/SD, on BRATS 2015: of other data, and recalled."""


class Table:
    """Scores by row of the table, each subject's the mean over its row's seeds.

    Args:
        scores: by cell.
        owners: (n,) the site of each test subject.
        elsewhere: the site that took no part.
    """

    def __init__(self, scores: Mapping[Cell, Scores], owners: np.ndarray, elsewhere: str) -> None:
        self.owners, self.elsewhere = owners, elsewhere
        self.rows = {row: [scores[cell] for cell in cells] for row, cells in rows_of(list(scores))}
        self.ours = owners != elsewhere

    def values(self, row: Cell, region: str, measure: Measure = "dice") -> np.ndarray:
        """(n,) of all test subjects."""
        return over_seeds([one.of(measure)[region] for one in self.rows[row]])

    def mean_of_regions(self, row: Cell) -> np.ndarray:
        """(n,) Dice of each test subject, the mean over the regions that it has."""
        mean: np.ndarray = np.nanmean([self.values(row, region) for region in REGIONS], axis=0)
        return mean

    def interval(self, compare: Callable[..., Interval], *values: np.ndarray,
                 who: np.ndarray | None = None) -> dict[str, Any] | str:
        """Of `who`'s subjects (those of the study's sites if None), or `ABSENT` if fewer than two have the region."""
        chosen = self.ours if who is None else who
        try:
            return compare(*(value[chosen] for value in values), self.owners[chosen]).as_dict()
        except InputError:
            return ABSENT

    def spread(self, values: np.ndarray) -> str:
        """Mean/SD of the study's sites' subjects, as the seed paper has it."""
        there = values[self.ours & ~np.isnan(values)]
        return f"{there.mean():.2f}/{there.std(ddof=1):.2f}" if len(there) > 1 else ABSENT

    def between_seeds(self, row: Cell) -> float | str:
        """Standard deviation, over the row's segmenters, of the mean of the regions; `ABSENT` of one segmenter.

        What intervals over test subjects do not hold: how far another training would have come out.
        """
        means = [np.mean([np.nanmean(one.dice[region][self.ours]) for region in REGIONS]) for one in self.rows[row]]
        return float(np.std(means, ddof=1)) if len(means) > 1 else ABSENT

    def middle(self, values: np.ndarray) -> str:
        """Median and mean millimetres: a region that was not found at all moves the mean alone."""
        there = values[self.ours & ~np.isnan(values)]
        return f"{np.median(there):.1f} ({there.mean():.1f})" if len(there) > 1 else ABSENT


def title_of(row: Cell) -> dict[str, str]:
    """What stands before a row's figures."""
    return {"trained": row.trained, "images": row.images, "set": row.training_set, "segmenter": row.segmenter,
            "augmentation": "usual" if row.augmented else "none"}


def figures_of(table: Table, sites: Sequence[str], federated: Mapping[str, Any] | None) -> dict[str, Any]:
    """All tables but the goals.

    Args:
        table: the scores.
        sites: the study's.
        federated: what `fedsynth evaluate` wrote, if it was run.
    """
    central = [row for row in table.rows if row.trained == CENTRAL]
    special = (*NOTHING, *BAD, *SEPARATING)
    return {
        "sets": [_dice_row(table, row) for row in central if row.images not in special],
        "distances": [_distance_row(table, row) for row in central if row.images not in special],
        "images": [_dice_row(table, row) for row in central
                   if row.training_set == "synthetic only" and row.augmented and row.segmenter == "segresnet"],
        "sites": [_site_row(table, row, site) for row in central if row.images in (NONE, RELEASE) and row.augmented
                  and row.segmenter == "segresnet" for site in (*sites, table.elsewhere)],
        "trained": [_dice_row(table, row) for row in table.rows
                    if row.segmenter == "segresnet" and row.augmented and row.images in (NONE, RELEASE)
                    and (row.trained != CENTRAL or row.training_set in ("real", "real + synthetic"))]
                   + _federated_rows(federated),
        "paper": PAPER}


def _dice_row(table: Table, row: Cell) -> dict[str, Any]:
    reference = Cell(CENTRAL, NONE, "real", row.augmented, row.segmenter, 0)
    compared = reference in table.rows and reference != row
    cells: dict[str, Any] = {region: table.spread(table.values(row, region)) for region in REGIONS}
    cells[SHARE] = table.interval(
        ratio, table.mean_of_regions(row), table.mean_of_regions(reference)) if compared else ABSENT
    for region in REGIONS:
        cells[f"difference, {region}"] = table.interval(
            difference, table.values(row, region), table.values(reference, region)) if compared else ABSENT
    return title_of(row) | {"seeds": len(table.rows[row]), "between seeds": table.between_seeds(row)} | cells


def _distance_row(table: Table, row: Cell) -> dict[str, Any]:
    return title_of(row) | {region: table.middle(table.values(row, region, "hd95")) for region in REGIONS}


def _site_row(table: Table, row: Cell, site: str) -> dict[str, Any]:
    who = table.owners == site
    name = f"{site} (took no part)" if site == table.elsewhere else site
    return {"site": name, "n": int(who.sum())} | title_of(row) | {
        region: table.interval(mean_score, table.values(row, region), who=who) for region in REGIONS}


def _federated_rows(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What the sites said in the job `evaluate`, if it was run: means over the test subjects of all of them."""
    rows: dict[tuple[str, bool, str], dict[str, Any]] = {}
    for told in (result or {}).get("segmenters", []):
        if told["measure"] != "dice":
            continue
        key = (told["segmenter"], told["augmented"], told["trained_on"])
        row = rows.setdefault(key, {
            "trained": FEDERATED, "images": RELEASE if "synthetic" in key[2] else NONE, "set": key[2],
            "segmenter": key[0], "augmentation": "usual" if key[1] else "none"})
        row[told["region"]] = _interval_of(told["score"])
        row[f"difference, {told['region']}"] = _interval_of(told["difference"])
    return list(rows.values())


def _interval_of(told: Mapping[str, Any] | None) -> dict[str, Any] | str:
    return {name: told[name] for name in ("estimate", "low", "high", "n")} if told else ABSENT
