"""One thing that was looked at: what was found, what was expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "look", "fix"]
"""ok: as expected. look: works, but somebody should know or decide. fix: in the way of taking part."""

GIB: Final = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table; `advice` is empty where there is nothing to do."""

    check: str
    status: Status
    found: str
    expected: str
    advice: str = ""


def judge(check: str, good: bool, found: str, expected: str, advice: str, otherwise: Status = "fix") -> Finding:
    """A finding with its advice, unless it is good."""
    return Finding(check, "ok" if good else otherwise, found, expected, "" if good else advice)


def gib(size: float) -> str:
    """Bytes as GiB in words."""
    return f"{size / GIB:.1f} GiB"
