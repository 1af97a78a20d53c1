"""Which figures of the private mode's results make which table."""

from __future__ import annotations

from typing import Final

from benchmarks.layout import Columns, Layout, Rows

_REGIONS: Final = ("whole tumour", "core", "enhancing")
_CELL: Final = {"method": "what of the patients", "epsilon": "ε", "patients": "patients a site"}


def _frontier(result: str) -> dict[str, Layout]:
    """The tables of the frontier, quick or whole."""
    mean = "Mean over test subjects (95 % paired bootstrap interval within sites)"
    return {
        f"{result}_dice": Layout(result, ("worth", Rows(), Columns({
            **_CELL, "seeds": "seeds", "between seeds": "SD between seeds",
            **{region: f"Dice, {region}" for region in _REGIONS}})),
            f"SegResNet trained on the cell's images alone; SD of the mean of the regions. {mean}"),
        f"{result}_worth": Layout(result, ("worth", Rows(), Columns({
            **_CELL, **{f"{region} ÷ real": f"{region} ÷ real" for region in _REGIONS}, "÷ real": "mean ÷ real",
            "− ε = 0": "mean − ε = 0", "gap closed": "share of the gap closed"})),
            f"Of real-only with as many patients (with 100 where no patient is used). {mean}"),
        f"{result}_images": Layout(result, ("images", Rows(), Columns({
            **_CELL, "contrast": "contrast error (0)", "ms_ssim": "MS-SSIM of its pairs",
            "ms_ssim_real": "of real pairs", "feature": "Fréchet (0)"})),
            "Beside test subjects (95 % interval over subjects); ideal values in brackets"),
        f"{result}_cost": Layout(result, ("cost", Rows(), Columns({
            **_CELL, "spent": "ε in the ledger", "noise": "noise ÷ clip", "seconds": "training, processor s",
            "mib": "MiB"})), "One core, memory at the peak beyond code and patients"),
        f"{result}_attacks": Layout(result, ("attacks", Rows(), Columns({
            **_CELL, "T4": "T4, AUC", "T1": "T1, AUC", "n_members": "members", "n_holdout": "holdout"})),
            "AUC (95 % interval), .5 is chance; without noise. Where no patient is used, on those of rows with 100"),
        f"{result}_goals": Layout(result, ("goals", Rows(), Columns({
            "goal": "goal", "best": "best method", "figure": "figure", "met": "met"})),
            f"100 patients a site, mean over the three regions. {mean}")}


PRIVATE_TABLES: Final[dict[str, Layout]] = {
    **_frontier("frontier"),
    **_frontier("frontier_quick"),
    "anatomy_detector": Layout("anatomy_detector", ("rows", Rows(), Columns({
        "public": "public anatomies", "all": "AUC over the sites", "north": "north", "south": "south", "east": "east",
        "west": "west", "told by": "measures that tell most, AUC"})),
        "AUC (95 % interval), .5 is alike; a site's against its own patients"),
    "private_membership": Layout("private_membership", ("attacks", Rows("run"), Rows("attack"), Columns({
        "": "AUC", "n_members": "members", "n_holdout": "holdout", "p_value": "p"})),
        "AUC (95 % interval), one-sided p, without noise"),
    "private_audit": Layout("private_membership", ("audits", Rows(), Columns({
        "run": "run", "verdict": "verdict", "id": "test", "found_in": "strongest in", "scale": "of what",
        "figure": "figure", "decision": "decision"})), "What each run's own report says (95 % interval)"),
    "private_step": Layout("private_step", ("rows", Rows(), Columns({
        "preset": "preset", "grid": "grid", "patients": "patients", "seconds_batch": "a batch, s",
        "seconds_private": "private step, s", "ratio": "private ÷ batch"})), "Median of repeats (quartiles)"),
}
"""By the name in `<!-- table:NAME -->`."""
