"""A run's own point of worth and leakage: what its release taught a segmenter, and how far its audit told members."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from jobs.run_folder import RunFolder
from jobs.utility import LOOKUP, REAL, RELEASE, kept_quickly
from privacy_eval.report import Figure
from privacy_eval.statistics.ranks import Estimate
from privacy_eval.verdict.combine import AuditResult

ATTACKERS: Final = {"T4.exact": ("who holds the generator (T4)", "#d62728", "o"),
                    "T1.voxels": ("who holds the images (T1)", "#1f77b4", "s")}
"""By the measure's id: what it stands for, colour and mark."""
_LINES: Final = {REAL: "-", LOOKUP: ":"}


def worth_point(run: RunFolder, result: AuditResult) -> Figure | None:
    """The picture; None if the quick table was not made of this release, or neither test was asked for."""
    kept = kept_quickly(run) or {}
    means, found = kept.get("means", {}), {
        finding.measure.id: finding.estimate for test in result.tests for finding in test.findings
        if finding.measure.id in ATTACKERS}
    if RELEASE not in means or not found:
        return None
    return Figure(
        "Worth and leakage: this run's own point", _drawn(means, found, result.policy.tolerance_auc),
        f"Up is worth: Dice, mean of three regions, of a SegResNet trained {kept['steps']} steps on the release alone "
        "(95 % interval over test subjects of simulated hospitals). Right is leakage: AUC of telling members from "
        "holdout (the audit's one-sided 95 % bounds); at .5 nothing leaks, at the thin line the study's tolerance is "
        "reached. Grey: the same segmenter on the members themselves, and on the lookup table's images. So short a "
        "segmenter says how fast images are learned; docs/experiments.md, \"Worth and leakage\", has the same plot "
        "over training length, width, augmentation and members, with longer ones.")


def _drawn(means: Mapping[str, Mapping[str, float]], found: Mapping[str, Estimate], tolerance: float) -> bytes:
    drawing = Drawing(figsize=(6, 4), layout="constrained")
    axes: Axes = drawing.subplots()
    dice = means[RELEASE]
    up = [[dice["estimate"] - dice["low"]], [dice["high"] - dice["estimate"]]]
    for name, estimate in found.items():
        title, colour, mark = ATTACKERS[name]
        across = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        axes.errorbar(estimate.value, dice["estimate"], xerr=across, yerr=up, color=colour, marker=mark, label=title)
    for name, style in _LINES.items():
        if name in means:
            axes.axhline(means[name]["estimate"], color="#7f7f7f", linestyle=style, linewidth=1, label=name)
    axes.axvline(0.5, color="black", linestyle="--", linewidth=0.8, label="nothing leaks")
    axes.axvline(tolerance, color="black", linewidth=0.6)
    _keep_in_sight(axes, tolerance)
    axes.set_xlabel("AUC, members against holdout")
    axes.set_ylabel("Dice, trained on the release alone")
    axes.legend(fontsize=7, frameon=False)
    content = io.BytesIO()
    drawing.savefig(content, format="png", dpi=110, metadata={"Software": None})
    return content.getvalue()


def _keep_in_sight(axes: Axes, tolerance: float) -> None:
    """The same frame around .5 in every run, so that a small AUC never looks large."""
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.35), max(high, tolerance + 0.05))
