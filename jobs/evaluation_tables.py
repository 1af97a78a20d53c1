"""An evaluation's tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from fl_components.evaluation.scores import REGIONS
from jobs.output import Talk

_SIMULATED: Final = "Measured on simulated hospitals, which hold no patient."


def print_tables(talk: Talk, result: Mapping[str, Any], simulated: bool) -> None:
    """Print what all sites say together: segmenters, realism, anatomies.

    Args:
        talk: gets the tables, on stderr.
        result: what `server/evaluate.json` holds.
        simulated: whether no site holds a patient, which is then said.
    """
    for table in (*segmenter_tables(result["segmenters"]), *comparison_tables(result)):
        talk.console.print(table)
    if simulated:
        talk.say(_SIMULATED)
    for row in result["rejected"]:
        talk.say(f"Round {row['round']}: the update of site '{row['site']}' was rejected: {row['reason']}")


def segmenter_tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Dice and distances by what was trained on, one row a training, and the same minus real subjects."""
    tables = []
    for measure, unit, places in (("dice", "Dice (1 is best)", 3), ("hd95", "95 % Hausdorff distance, mm", 1)):
        for kind, title in (("score", unit), ("difference", f"{unit}: minus the same trained on real subjects")):
            table = Table("segmenter", "augmentation", "trained on", *REGIONS,
                          title=f"{title}; mean (95 % interval), n")
            for name, cells in _by_training([row for row in rows if row["measure"] == measure], kind, places).items():
                table.add_row(*name, *cells)
            if table.row_count:
                tables.append(table)
    return tables


def comparison_tables(result: Mapping[str, Any]) -> list[Table]:
    """Realism and anatomies, a row a measure."""
    tables = []
    for key, title in (("realism", "The release beside the sites' subjects"),
                       ("anatomies", "Its anatomies beside theirs: AUC, .5 if alike")):
        table = Table("measure", "estimate (95 % interval)", "subjects", "released volumes", title=title)
        for row in result[key]:
            table.add_row(row["measure"], _interval(row, 3), str(row["n"]), str(row["n_synthetic"]))
        if table.row_count:
            tables.append(table)
    return tables


def _by_training(rows: Sequence[Mapping[str, Any]], kind: str, places: int) -> dict[tuple[str, str, str], list[str]]:
    """A cell a region of each training; without those of which no site told anything."""
    trainings: dict[tuple[str, str, str], list[Any]] = {}
    for row in rows:
        name = (row["segmenter"], "usual" if row["augmented"] else "none", row["trained_on"])
        trainings.setdefault(name, []).append(row[kind])
    return {name: [f"{_interval(told, places)}, {told['n']}" if told else "too few" for told in cells]
            for name, cells in trainings.items() if any(cells)}


def _interval(row: Mapping[str, Any], places: int) -> str:
    return f"{row['estimate']:.{places}f} ({row['low']:.{places}f} to {row['high']:.{places}f})"
