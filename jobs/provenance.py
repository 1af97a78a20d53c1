"""Where a result comes from: versions, seeds, hashes, machine, command."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fl_components.study import Study

_PACKAGES: Final = ("fedsynth", "nvflare", "torch", "monai", "numpy", "scipy", "scikit-learn", "nibabel", "nilearn")


def command_line() -> str:
    """The command of this process, as a person would type it."""
    program = Path(sys.argv[0])
    words = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def provenance(study: Study) -> dict[str, Any]:
    """Facts that go with every result of a study."""
    return {
        "study": study.name, "study_hash": study.hash, "seed": study.seed, "command": command_line(),
        "python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in _PACKAGES},
    }
