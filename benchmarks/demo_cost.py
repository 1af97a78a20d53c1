"""Peak memory and seconds of each stage of `fedsynth demo`, in a fresh run folder.

    python -m benchmarks.demo_cost [runs/benchmark]

Memory is the proportional set size (PSS: pages shared by several processes are counted once) of the command and
everything it started, summed once a second. Installing the packages is not included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.results import write_result
from fl_components.cohort.cohort import Cohort
from fl_components.json_file import read_json
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

MARKER: Final = "FEDSYNTH_BENCHMARK"
"""Environment variable that every process of one measurement inherits: NVFlare's clients leave the process tree."""
BETWEEN: Final = "between stages"
_EVERY_S: Final = 1.0


class Stages:
    """Seconds and peak memory by stage, from the lines a command says and samples taken meanwhile.

    Args:
        now: the clock's first reading, seconds.
    """

    def __init__(self, now: float) -> None:
        self.started = self._since = now
        self.current = BETWEEN
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, int] = {}

    def line(self, text: str, now: float) -> None:
        """Take note of a line as `jobs.output.Talk` writes it off a terminal: "<title> …" or "<title>: 12 s"."""
        if text.endswith(" …"):
            self._enter(text.removesuffix(" …"), now)
        elif text.startswith(f"{self.current}: ") and text.endswith(" s"):
            self._enter(BETWEEN, now)

    def sample(self, size: int) -> None:
        """Take note of the memory in use, bytes."""
        self.peaks[self.current] = max(size, self.peaks.get(self.current, 0))

    def end(self, now: float) -> list[dict[str, Any]]:
        """A row each stage, in order, then what was between them, then the total."""
        self._enter(BETWEEN, now)
        stages = [*(stage for stage in self.seconds if stage != BETWEEN), BETWEEN]
        rows = [_row(stage, self.seconds[stage], self.peaks.get(stage, 0)) for stage in stages]
        return [*rows, _row("total", now - self.started, max(self.peaks.values(), default=0))]

    def _enter(self, stage: str, now: float) -> None:
        self.seconds[self.current] = self.seconds.get(self.current, 0.0) + now - self._since
        self.current, self._since = stage, now


def _row(stage: str, seconds: float, peak: int) -> dict[str, Any]:
    return {"stage": stage, "seconds": round(seconds, 1), "peak_gib": round(peak / 2**30, 2)}


def memory_of(marker: str) -> int:
    """Bytes of PSS (RSS where the system does not know PSS) of all processes that carry the marker."""
    total = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == marker:
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone meanwhile, or somebody else's
    return total


def measure(command: list[str]) -> list[dict[str, Any]]:
    """Run a command that talks as ours do, and sample its memory; its talk is passed on to stderr.

    Returns:
        Rows of `stage`, `seconds`, `peak_gib` (see `Stages.end`).

    Raises:
        RuntimeError: if it fails.
    """
    marker = uuid.uuid4().hex
    stages = Stages(time.monotonic())
    # Wide, so that no line is folded.
    with subprocess.Popen(command, env={**os.environ, MARKER: marker, "COLUMNS": "300"}, text=True, encoding="utf-8",
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        listener = threading.Thread(target=_listen, args=(process.stderr, stages), daemon=True)
        listener.start()
        while process.poll() is None:
            stages.sample(memory_of(marker))
            time.sleep(_EVERY_S)
        listener.join(timeout=10)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return stages.end(time.monotonic())


def _listen(lines: Iterable[str], stages: Stages) -> None:
    for line in lines:
        sys.stderr.write(line)
        stages.line(line.rstrip("\n"), time.monotonic())


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_cost", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/benchmark"), help="a folder that is not there")
    run = RunFolder(parser.parse_args().run)
    if run.path.exists():
        parser.error(f"{run.path}: is there already, found {len(list(run.path.iterdir()))} entries; remove it or name "
                     "another folder, for the demo reuses the cohorts it finds")
    try:
        stages = measure([str(Path(sys.executable).with_name("fedsynth")), "demo", str(run.path)])
        study = run.study()
        parts = [Cohort.load(site, study).split for site in run.sites(study)]
    except (InputError, RuntimeError) as error:
        parser.error(str(error))
    figures = {"stages": stages, "verdict": read_json(run.audit / "report.json")["verdict"]}
    sizes = {part: sum(len(getattr(split, part)) for split in parts) for part in ("members", "holdout", "test")}
    write_result("demo_cost", figures, {"runs": 1, "sites": len(parts), **sizes}, study_hash=study.hash,
                 simulated=True)


if __name__ == "__main__":
    main()
