"""What one thing that may leave looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Field:
    """Shape and numpy type of one thing that may leave; a scalar has shape ()."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "float64", "uint8", "uint32", "uint64"]


Declaration = Mapping[str, Field]
"""Everything that an answer holds, by name."""
SCALAR: Final = Field((), "float64")
