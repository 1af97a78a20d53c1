"""The command line of a benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError


def at_least_one(text: str) -> int:
    """How many: a `type` of arguments."""
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of 1 or more")
    return number


def run_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments of a benchmark on a run folder: `run`, by default the demo's."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("run", nargs="?", type=lambda text: RunFolder(Path(text)), default="runs/demo",
                        help="a run folder with prepared cohorts")
    return parser


def run_benchmark(parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], int]) -> int:
    """Parse the command line and measure; what a user can mend is one line and exit code 2."""
    arguments = parser.parse_args()
    try:
        return measure(arguments)
    except InputError as error:
        parser.error(str(error))
