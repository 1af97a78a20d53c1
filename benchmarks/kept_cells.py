"""Cells of a long benchmark, each kept when it is measured, so that a stopped run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """A cell: `name` is that of its file."""

    @property
    def name(self) -> str: ...


Cell = TypeVar("Cell", bound=Named)
_Cell = TypeVar("_Cell", bound=Named, contravariant=True)


class Bench(Protocol[_Cell]):
    """Measures cells and keeps what it found."""

    def kept(self, cell: _Cell) -> dict[str, Any] | None:
        """What was measured of a cell in an earlier run of the same settings."""

    def measure(self, cell: _Cell) -> dict[str, Any]:
        """A cell's figures, kept or taken now."""


def measure_all(bench: Bench[Cell], plan: Sequence[Cell], words: Sequence[str],
                minutes: float | None) -> dict[Cell, dict[str, Any]]:
    """The plan's cells that are wanted and begun in time, and all that are kept, as they are.

    Args:
        bench: that measures them.
        plan: all cells.
        words: a cell is wanted if its name holds one of them, or if there are none.
        minutes: none is begun after so many.
    """
    found, started = {}, time.monotonic()
    for cell in plan:
        late = minutes is not None and time.monotonic() - started >= 60 * minutes
        wanted = not late and (not words or any(word in cell.name for word in words))
        measured = bench.measure(cell) if wanted else bench.kept(cell)
        if measured is not None:
            found[cell] = measured
    return found
