"""Worth against leakage as a picture: Dice over AUC, a panel a test, a colour a factor, intervals as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.frontier_figures import ABSENT
from fl_components.durable import replace_durably

TITLES: Final = {"T4": "who holds the generator (T4)", "T1": "who holds the images (T1)"}
_COLOURS: Final = {"recipe": "black", "length": "#1f77b4", "width": "#2ca02c", "augmentation": "#9467bd",
                   "members": "#ff7f0e", "by heart": "#d62728"}
_FAR: Final = 0.7
"""AUC beyond which a point's words stand on its left, within the frame."""
_LINES: Final = {"real members": "-", "lookup table": ":"}


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture.

    Args:
        rows: the figure "cells".
        path: of the .png file.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, test in zip(figure.subplots(1, len(TITLES), sharex=True, sharey=True), TITLES, strict=True):
        _panel(axes, rows, test)
        axes.set_title(TITLES[test], fontsize=10)
    low, high = figure.axes[0].get_xlim()  # both panels'
    figure.axes[0].set_xlim(min(0.38, low), max(0.75, high))
    figure.axes[0].set_ylabel("Dice, trained on synthetic images alone (mean of 3 regions)", fontsize=8)
    figure.axes[0].legend(fontsize=7, frameon=False, loc="lower right")
    replace_durably(path, lambda partial: figure.savefig(partial, format="png", dpi=130, metadata={"Software": None}))


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], test: str) -> None:
    for row in rows:
        dice, auc = row["mean"], row[test]
        if row["factor"] == "baseline":
            axes.axhline(dice["estimate"], color="#7f7f7f", linestyle=_LINES[row["value"]], linewidth=1,
                         label=row["value"])
        elif auc != ABSENT:
            recipe = row["factor"] == "recipe"
            axes.errorbar(auc["auc"], dice["estimate"], xerr=_bars(auc, "auc"), yerr=_bars(dice, "estimate"),
                          color=_COLOURS[row["factor"]], marker="*" if recipe else "o", markersize=13 if recipe else 5,
                          linewidth=1, label="the study's recipe" if recipe else "_")
            words, left = "" if recipe else f"{row['factor']}: {row['value']}", auc["auc"] > _FAR
            axes.annotate(words, (auc["auc"], dice["estimate"]), xytext=(-5 if left else 5, 5), fontsize=7,
                          textcoords="offset points", ha="right" if left else "left", color=_COLOURS[row["factor"]])
    axes.axvline(0.5, color="black", linestyle="--", linewidth=0.8, label="nothing leaks")
    axes.set_xlabel("AUC, members against holdout", fontsize=8)


def _bars(interval: Mapping[str, float], centre: str) -> list[list[float]]:
    return [[interval[centre] - interval["low"]], [interval["high"] - interval[centre]]]
