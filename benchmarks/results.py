"""The result of a benchmark as a file: what was measured, on how many, with which command, on which machine."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import torch

from fl_components.json_file import read_json, write_json

RESULTS: Final = Path(__file__).parent / "results"
"""The committed results, one JSON file each."""


def write_result(name: str, figures: Mapping[str, Any], n: int | Mapping[str, int], *, study_hash: str | None = None,
                 simulated: bool = False, folder: Path = RESULTS, module: str | None = None) -> Path:
    """Write `<folder>/<name>.json`: `name`, `command`, `machine`, `n`, `figures`, `simulated`, `study_hash`.

    Args:
        name: the benchmark's, `python -m benchmarks.<name>`.
        figures: what was measured, by name; `benchmarks.tables` makes tables of it. A name maps to a number or text,
            to an interval ({"median", "low", "high"}: quartiles; {"mean" or "estimate", "low", "high"}: 95 %), or to a
            list of rows, each a mapping of the same names to such values. Names say their unit: "seconds_per_step".
        n: how many repeats or subjects stand behind the figures, by kind if of several.
        study_hash: of the study the figures belong to, if they belong to one.
        simulated: whether they were measured on simulated hospitals.
        folder: where results are kept.
        module: of `benchmarks`, which was called; None: it has the result's name.

    Returns:
        The file written.
    """
    path = folder / f"{name}.json"
    write_json(path, {"name": name, "command": _command(module or name), "machine": machine(),
                      "n": n if isinstance(n, int) else dict(n), "figures": dict(figures), "simulated": simulated,
                      **({} if study_hash is None else {"study_hash": study_hash})})
    return path


def read_result(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """What `write_result` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    return dict(read_json(folder / f"{name}.json"))


def quartiles(repeats: Sequence[float]) -> dict[str, float]:
    """Median of repeats as an interval: `median`, and `low` and `high`, the quartiles."""
    low, median, high = (float(value) for value in np.quantile(repeats, (0.25, 0.5, 0.75)))
    return {"median": median, "low": low, "high": high}


def machine() -> dict[str, Any]:
    """What the figures were measured on: processor, cores, memory in GiB, accelerator, torch and its threads."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
            "torch": torch.__version__, "threads": torch.get_num_threads()}


def _command(module: str) -> str:
    return shlex.join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
