"""The anchor: how many entries a ledger held, and its last hash, kept in a file of its own after every append.

It finds what the chain alone cannot: whole entries cut off the end, and entries that something else added. It does
not help against someone who can write both files: for that, a copy of the anchor belongs where that person cannot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fl_components.durable import sync_folder
from fl_components.guard.chain import GENESIS, from_line
from privacy_eval.errors import InputError


class Anchor(NamedTuple):
    """What a ledger was known to hold."""

    entries: int
    last_hash: str

    def contradiction(self, lines: Sequence[bytes]) -> str | None:
        """Why a ledger of these lines is not the one that was anchored, later entries aside; None if it can be."""
        if len(lines) < self.entries:
            return f"holds {len(lines)} whole entries, but its anchor names {self.entries}: the last were removed"
        if self.last_hash != last_hash(lines[:self.entries]):
            return f"line {self.entries} is not the entry that its anchor names: the ledger was written anew"
        return None


NOTHING: Final = Anchor(0, GENESIS)


def anchor_of(lines: Sequence[bytes]) -> Anchor:
    """The anchor of a ledger that holds these lines."""
    return Anchor(len(lines), last_hash(lines))


def last_hash(lines: Sequence[bytes]) -> str:
    """What the last of these lines says its hash is; `GENESIS` without a line, nothing if it says none."""
    if not lines:
        return GENESIS
    try:
        return str(from_line(lines[-1]).get("hash", ""))
    except ValueError:
        return ""


def read_anchor(path: Path) -> Anchor | None:
    """The anchor in a file; None if there is no such file.

    Raises:
        InputError: if the file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Anchor(int(content["entries"]), str(content["last_hash"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: not an anchor of a ledger, expected its entries and last_hash; it was damaged or "
                         "changed, put it back from a copy") from None


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Write the anchor so that a crash leaves the old or the new one, and wait until it is on disk."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(anchor._asdict()) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    sync_folder(path.parent)
