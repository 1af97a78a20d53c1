"""Which figures of which result make which table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fl_components.vocabulary import SEQUENCES


@dataclass(frozen=True)
class Rows:
    """A level whose entries are rows: a list, or a mapping, its keys (all if none are named) under `heading`."""

    heading: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """The level whose entries are columns: heading by key; the key "" is the row itself, which is an interval."""

    headings: dict[str, str]


@dataclass(frozen=True)
class Layout:
    """The way into a result's figures, level by level (a plain text is one key), and what the numbers are."""

    result: str
    levels: tuple[str | Rows | Columns, ...]
    note: str


_QUALITY: Final = {"l1": "L1 (0 is best)", "tissue_error": "tissue error (0 is best)",
                   "high_frequency_share": "high-frequency share (1 is best)",
                   "texture_share": "texture share (1 is best)"}
_PAINTERS: Final = Rows("images from", ("ours, federated", "ours, central", "no contrast input, central",
                                        "lookup table", "untrained"))
_GAP: Final = {"hospitals' members": "Dice, trained on hospitals",
               "public simulator": "Dice, trained on the public simulator", "loss": "share lost"}
_MEAN: Final = "Mean over subjects (95 % interval)"
_MEDIAN: Final = "Median of repeats (quartiles)"

TABLES: Final[dict[str, Layout]] = {
    "gan_step": Layout("gan_step", ("steps", Rows(), Columns({
        "grid": "grid", "threads": "threads", "seconds_float32": "plain float32, s", "seconds_ours": "ours, s",
        "times_faster": "times faster", "augmentation_share": "augmentation's share"})), _MEDIAN),
    "federation": Layout("federation", (Columns({
        "seconds_federated": "federated, s", "seconds_central": "central, s",
        "times_central": "federated ÷ central",
        "seconds_nvflare_start": "of it NVFlare's start, s", "seconds_nvflare_stop": "of it NVFlare's stop, s",
        "times_central_net": "federated ÷ central without start and stop"}),), _MEDIAN),
    "distances": Layout("distances", ("distances", Rows(), Columns({
        "synthetic": "synthetic images", "seconds_product": "one product, s", "seconds_ours": "ours, s",
        "times_product": "ours ÷ product", "times_first": "ours ÷ ours at the first row",
        "seconds_sklearn": "scikit-learn, s", "seconds_loop": "NumPy loop, s"})),
        _MEDIAN),
    "distances_memory": Layout("distances", ("memory", Rows(), Columns({
        "chunk_mib": "chunk, MiB", "synthetic": "synthetic images",
        "peak_mib_single": "peak beside float32 vectors, MiB", "peak_mib_half": "peak beside float16 vectors, MiB"})),
        "One run, allocations traced"),
    "distances_spaces": Layout("distances", ("spaces", Rows(), Columns({
        "way": "space or registration", "ms_per_image": "an image, ms"})), _MEDIAN),
    "demo_cost": Layout("demo_cost", ("stages", Rows(), Columns({
        "stage": "stage", "seconds": "seconds", "peak_gib": "peak memory, GiB"})), "One run, sampled once a second"),
    "quality": Layout("quality", ("sites", "all", _PAINTERS, Columns(_QUALITY), "mean"), f"{_MEAN}, all sites"),
    "quality_sites": Layout("quality", ("sites", Rows("site"), _PAINTERS, Columns(_QUALITY), "mean"), _MEAN),
    **{f"quality_{figure}": Layout("quality", (
        "sites", Rows("site"), _PAINTERS, figure, Columns({sequence: sequence for sequence in SEQUENCES})),
        f"{heading[0].upper()}{heading[1:]}. {_MEAN}") for figure, heading in _QUALITY.items()},
    "simulator_gap": Layout("simulator_gap", ("sites", "all", Rows("region"), Columns(_GAP)), f"{_MEAN}, all sites"),
    "simulator_gap_sites": Layout("simulator_gap", ("sites", Rows("site"), Rows("region"), Columns(_GAP)), _MEAN),
    "embedding": Layout("embedding", ("degradations", Rows("copy"), Rows("space", ("embedding", "voxels", "coarse")),
                                      Columns({"top1": "top-1", "auc": "AUC"})),
                        "Top-1 (Wilson's 95 % interval), AUC same against other (95 % bootstrap interval)"),
    "membership": Layout("membership", (Rows("generator", ("demo", "memorising")), Rows("attack"), Columns({
        "": "AUC", "n_members": "members", "n_holdout": "holdout", "p_value": "p"})),
        "AUC (95 % interval), one-sided p"),
}
"""By the name in `<!-- table:NAME -->`."""
