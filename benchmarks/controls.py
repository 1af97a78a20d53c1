"""The controls of the audit in their full form: the measured table of each, as the tests in tests/ define it.

    python -m benchmarks.controls [NAME ...]

measures the named controls, all by default, and leaves the others' rows as they were measured before. Those on images
are benchmarks of their own: `benchmarks.controls_images` and `benchmarks.shadow`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.results import RESULTS, read_result, write_result
from jobs.output import Talk

MODULES: Final = Path(__file__).parent.parent / "tests" / "privacy_eval" / "controls"
"""Where the controls are tested; test_NAME.py has `measured_rows`."""

CONTROLS: Final = ("mean_release", "gaussian_tradeoff", "bie_accounting", "broken_dp", "moons", "authenticity",
                   "null_calibration", "digits")
"""The quick ones first."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CONTROLS))
    names = parser.parse_args().names or CONTROLS
    if unknown := sorted(set(names) - set(CONTROLS)):
        parser.error(f"no control '{unknown[0]}'; the names are {', '.join(CONTROLS)}")
    measure(names)


def measure(names: Sequence[str], folder: Path = RESULTS) -> None:
    """Measure the named controls, writing each one's rows when it is done.

    Args:
        names: from `CONTROLS`.
        folder: where `controls.json` is.
    """
    talk, figures = Talk(), dict[str, Any]()
    if (folder / "controls.json").exists():
        figures = read_result("controls", folder)["figures"]
    for name in names:
        start = time.process_time()
        rows = rows_of(name)
        figures[name] = {"rows": rows, "cpu_seconds": time.process_time() - start}
        write_result("controls", figures, {"controls": len(figures)}, folder=folder)
        talk.say(f"{name}: {len(rows)} rows")


def rows_of(name: str) -> list[dict[str, str | float]]:
    """The measured table of one control."""
    if str(MODULES) not in sys.path:  # its modules import each other by bare names, as pytest has them
        sys.path.insert(0, str(MODULES))
    return list(importlib.import_module(f"test_{name}").measured_rows())


if __name__ == "__main__":
    main()
