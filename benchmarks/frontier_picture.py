"""The frontier as a picture: Dice relative to real-only over ε, a panel a region, a mark a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.frontier_study import GENERATOR, LITTLE, LOOKUP, REAL, SIMULATOR
from fl_components.durable import replace_durably
from fl_components.vocabulary import REGIONS

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images"
_ACROSS: Final = ("0", f"{LITTLE:g}", "1", "3", "8", "∞")
_MARKS: Final = {GENERATOR: ("black", "s"), "summary": ("#1f77b4", "o"), "adapted": ("#2ca02c", "^"),
                 "all": ("#d62728", "D"), "scratch": ("#9467bd", "v"), "adapted, random protocols": ("#98df8a", "^"),
                 "all, random protocols": ("#ff9896", "D"), "scratch, random protocols": ("#c5b0d5", "v")}
_LINES: Final = {LOOKUP: ("#7f7f7f", ":"), SIMULATOR: ("#7f7f7f", "--")}
_WIDTH: Final = 0.09


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture.

    Args:
        rows: the figure "worth".
        path: of the .png file.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, region in zip(figure.subplots(1, len(REGIONS)), REGIONS, strict=True):
        _panel(axes, rows, region)
    figure.axes[0].set_ylabel("Dice, synthetic only ÷ real only")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right center")
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=130, metadata={"Software": None}))


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], region: str) -> None:
    told = [row for row in rows if isinstance(row[f"{region} ÷ real"], dict)]
    shown = [row for row in told if row["method"] in _MARKS]
    for place, row in enumerate(shown):
        share, (colour, mark) = row[f"{region} ÷ real"], _MARKS[row["method"]]
        beside = _WIDTH * ((place % 7) - 3)  # so that bars of one ε do not cover each other
        error = [[share["estimate"] - share["low"]], [share["high"] - share["estimate"]]]
        label = row["method"] if row["patients"] == "–" else f"{row['method']}, {row['patients']} a site"
        known = axes.get_legend_handles_labels()[1]
        axes.errorbar(_ACROSS.index(row["epsilon"]) + beside, share["estimate"], yerr=error, color=colour,
                      marker=mark, markersize=_size(row["patients"]), linewidth=1,
                      label="_" if label in known else label)
    for row in told:
        if row["method"] in _LINES:
            colour, style = _LINES[row["method"]]
            axes.axhline(row[f"{region} ÷ real"]["estimate"], color=colour, linestyle=style, linewidth=1,
                         label=row["method"])
    axes.axhline(1, color="black", linewidth=0.8, label=REAL)
    axes.set_xticks(range(len(_ACROSS)), [f"ε = {one}" for one in _ACROSS], fontsize=7)
    axes.set_title(region, fontsize=10)


def _size(patients: int | str) -> float:
    return 5.0 if isinstance(patients, str) else 3.0 + 0.005 * patients + (1.0 if patients >= 100 else 0.0)
