"""A small release for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fl_components.server.release import ReleaseMetadata, ReleaseWriter
from fl_components.study import Grid

GRID = Grid(shape=(10, 12, 8), spacing_mm=16.0)
METADATA = ReleaseMetadata("trial", "a" * 64, "b" * 64, 7, "0.1.0", "simulated hospitals (2 sites)")


def volume(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images in [0, 1] and labels 0 to 6."""
    rng = np.random.default_rng(number)
    return rng.random((4, *GRID.shape), np.float32), rng.integers(0, 7, GRID.shape).astype(np.uint8)


def write_release(folder: Path, volumes: int = 2, replace: bool = False) -> Path:
    """A release of a few volumes."""
    with ReleaseWriter(folder, GRID, METADATA, replace=replace) as writer:
        for number in range(1, volumes + 1):
            writer.add(*volume(number))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's bytes by its path below the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
