"""Shared by all tests: the folder of helpers, quiet threads, what goes first, what runs only when it is asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of numpy and what tests start, too: tests run side by side

import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for small_run

torch.set_num_threads(1)
settings.register_profile("fedsynth", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("fedsynth")

ON_DEMAND: Final = ("full", "redteam", "federation")
"""Markers of what takes minutes and has a target of its own in the Makefile; `-m` must name them."""
LONG: Final = ("jobs", "poc_workspace")
"""Folders whose tests run whole jobs: they go first, so that at the end no worker waits for the other's."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    waiting = [marker for marker in ON_DEMAND if marker not in config.option.markexpr]
    left = [item for item in items if any(item.get_closest_marker(marker) for marker in waiting)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    items.sort(key=lambda item: item.path.parent.name not in LONG)
