"""The ledger: a site's own append-only, hash-chained record of everything that left it, and of what was refused."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from privacy_eval.errors import InputError

GENESIS: Final = "0" * 64
"""The `previous` of a ledger's first entry."""


class Ledger:
    """JSON lines at `path`; each entry carries the hash of the one before it and its own.

    Changing, removing or reordering an entry breaks the chain from there on (`verify`). Cutting whole entries off
    the end cannot be seen from the file alone: keep the last hash elsewhere if that matters.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Add an entry and wait until it is on disk. Returns it with `sequence`, `previous` and `hash`."""
        return self._append(lambda lines: entry)

    def append_after(self, write: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> dict[str, Any]:
        """Add the entry that `write` makes of all earlier ones; no other entry can come between.

        Raises:
            InputError: if a line is not JSON; nothing is added.
        """
        return self._append(lambda lines: write(self._parsed(lines)))

    def _append(self, write: Callable[[list[str]], dict[str, Any]]) -> dict[str, Any]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # two jobs of one site must not interleave
            stream.seek(0)
            lines = stream.read().splitlines()
            previous = json.loads(lines[-1])["hash"] if lines else GENESIS
            chained = {**write(lines), "sequence": len(lines), "previous": previous}
            chained["hash"] = _digest(chained)
            stream.write(json.dumps(chained, sort_keys=True, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        return chained

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first; none if nothing was ever sent."""
        if not self.path.exists():
            return []
        return self._parsed(self._lines())

    def verify(self) -> str | None:
        """The first break of the chain in one line, or None if it is whole."""
        return self.break_of(self._parsed(self._lines()))

    def break_of(self, entries: Sequence[Mapping[str, Any]]) -> str | None:
        """The same of entries that were read."""
        previous = GENESIS
        for number, found in enumerate(entries, 1):
            entry = dict(found)
            stated = entry.pop("hash", None)
            if entry.get("previous") != previous or entry.get("sequence") != number - 1:
                return f"{self.path}: line {number} does not follow the line before it"
            if stated != _digest(entry):
                return f"{self.path}: line {number} was changed after it was written"
            previous = stated
        return None

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def _parsed(self, lines: list[str]) -> list[dict[str, Any]]:
        return [self._parse(number, line) for number, line in enumerate(lines, 1)]

    def _parse(self, number: int, line: str) -> dict[str, Any]:
        try:
            return dict(json.loads(line))
        except ValueError:
            raise InputError(f"{self.path}: line {number} is not JSON; the ledger was damaged") from None


def _digest(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True, allow_nan=False).encode()).hexdigest()
