"""Where a process finds what its owner, not a job, gave it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from privacy_eval.errors import InputError

RUN_VARIABLE: Final = "FEDSYNTH_RUN"
"""Environment variable that names the run folder; set by whoever starts the process, out of a job's reach."""


def run_folder() -> Path:
    """The run folder of this process.

    Raises:
        InputError: if the variable is not set or names no folder.
    """
    value = os.environ.get(RUN_VARIABLE)
    if not value:
        raise InputError(f"{RUN_VARIABLE} is not set; set it to the run folder before starting this process")
    path = Path(value)
    if not path.is_dir():
        raise InputError(f"{RUN_VARIABLE}={value}: no such folder; create it or set the variable to another one")
    return path
