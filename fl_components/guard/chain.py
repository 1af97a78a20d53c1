"""The ledger's chain: how an entry is written, and what does not follow from the entry before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

GENESIS: Final = "0" * 64
"""The `previous` of a ledger's first entry."""


class Break(NamedTuple):
    """The first entry that is wrong: its line, counted from 1, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line} {self.reason}"


def chained(entry: Mapping[str, Any], sequence: int, previous: str) -> dict[str, Any]:
    """The entry with its place in the chain: `sequence`, counted from 0, the hash before it, and its own."""
    content = {**entry, "sequence": sequence, "previous": previous}
    return {**content, "hash": _digest(content)}


def to_line(entry: Mapping[str, Any]) -> bytes:
    """The one way an entry is written (ValueError for what JSON cannot hold, such as NaN)."""
    return json.dumps(entry, sort_keys=True, allow_nan=False).encode() + b"\n"


def from_line(line: bytes) -> dict[str, Any]:
    """An entry as it was read, whatever it says (ValueError if it is not a JSON object)."""
    entry = json.loads(line.decode())
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    return entry


def break_of_lines(lines: Sequence[bytes]) -> Break | None:
    """The first line, without its end, that is not byte for byte what was written after the line before it."""
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        try:
            entry = from_line(line)
            written = to_line(entry) == line + b"\n"
        except ValueError:
            return Break(number, "is not JSON; the ledger was damaged")
        if broken := _break(entry, number, previous):
            return broken
        if not written:  # a blank more, or 1.0 as 1.00: the same to JSON, but not what was written
            return Break(number, "was changed after it was written")
        previous = entry["hash"]
    return None


def break_of_entries(entries: Sequence[Mapping[str, Any]]) -> Break | None:
    """The same of entries that were read."""
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        if broken := _break(entry, number, previous):
            return broken
        previous = entry["hash"]
    return None


def _break(entry: Mapping[str, Any], number: int, previous: str) -> Break | None:
    content = dict(entry)
    stated = content.pop("hash", None)
    if content.get("previous") != previous or content.get("sequence") != number - 1:
        return Break(number, "does not follow the line before it")
    if stated != _digest(content):
        return Break(number, "was changed after it was written")
    return None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
