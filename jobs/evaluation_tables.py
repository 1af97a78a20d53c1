"""An evaluation's tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fl_components.vocabulary import REGIONS
from jobs.output import Talk

Row = Mapping[str, Any]

_WIDTH: Final = 160
"""Columns where there is no terminal to ask."""
_MEASURES: Final = (("dice", "Dice (1 is best)", 3), ("hd95", "95 % Hausdorff distance, mm (0 is best)", 1))
_SIMULATED: Final = "Measured on simulated hospitals, which hold no patient."


def print_tables(talk: Talk, result: Mapping[str, Any], simulated: bool) -> None:
    """Print what all sites say together, and the Dice of each: segmenters, realism, anatomies.

    Args:
        talk: says the rest.
        result: what `server/evaluate.json` holds.
        simulated: whether no site holds a patient, which is then said.
    """
    console = Console(stderr=True, width=None if talk.console.is_terminal else _WIDTH)
    for table in (*segmenter_tables(result["segmenters"]), *comparison_tables(result)):
        console.print(table)
    if simulated:
        talk.say(_SIMULATED)
    for row in result["rejected"]:
        talk.say(f"Round {row['round']}: the update of site '{row['site']}' was rejected: {row['reason']}")


def segmenter_tables(rows: Sequence[Row]) -> list[Table]:
    """Dice and distances, a row a training, the same minus real subjects, and Dice by site; none that is empty."""
    tables = []
    for measure, title, places in _MEASURES:
        own = [row for row in rows if row["measure"] == measure]
        for kind, words in (("score", title), ("difference", f"{title}: minus the same trained on real subjects")):
            table = _table(words)
            for name, told in _trainings([(row, row[kind]) for row in own]):
                table.add_row(*name, *_cells(told, places))
            tables.append(table)
    dice = [row for row in rows if row["measure"] == "dice" and row["score"]]
    by_site = _table("Dice (1 is best) by site", "site")
    for site in dict.fromkeys(site for row in dice for site in row["score"]["sites"]):
        for name, told in _trainings([(row, row["score"]["sites"].get(site) if row["score"] else None)
                                      for row in rows if row["measure"] == "dice"]):
            by_site.add_row(site, *name, *_cells(told, 3))
    return [table for table in (*tables, by_site) if table.row_count]


def comparison_tables(result: Mapping[str, Any]) -> list[Table]:
    """Realism and anatomies, a row a measure; none that is empty."""
    tables = []
    for key, title in (("realism", "The release beside the sites' subjects"),
                       ("anatomies", "Its anatomies beside theirs: AUC, .5 if alike")):
        table = Table("measure", "estimate (95 % interval)", "subjects", "released volumes", title=title)
        for row in result[key]:
            table.add_row(row["measure"], _interval(row, 3), str(row["n"]), str(row["n_synthetic"]))
        tables.append(table)
    return [table for table in tables if table.row_count]


def _table(title: str, *first: str) -> Table:
    return Table(*first, "segmenter", "augmentation", "trained on", *REGIONS, title=f"{title}; mean (95 % interval), n")


def _trainings(rows: Sequence[tuple[Row, Row | None]]) -> Iterator[tuple[tuple[str, str, str], list[Row | None]]]:
    """What was told of each region, by training; without trainings of which nothing was."""
    found: dict[tuple[str, str, str], list[Row | None]] = {}
    for row, told in rows:
        name = (row["segmenter"], "usual" if row["augmented"] else "none", row["trained_on"])
        found.setdefault(name, []).append(told)
    yield from ((name, told) for name, told in found.items() if any(told))


def _cells(told: Sequence[Row | None], places: int) -> list[str]:
    return [f"{_interval(row, places)}, {row['n']}" if row else "too few" for row in told]


def _interval(row: Row, places: int) -> str:
    return f"{row['estimate']:.{places}f} ({row['low']:.{places}f} to {row['high']:.{places}f})"
