"""What a crash in the middle of an append left of a line: kept beside the ledger, never dropped."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fl_components.durable import sync_folder
from privacy_eval.errors import InputError


class TornFile:
    """`<ledger>.torn`: one JSON line a torn end, with the time it was found, its bytes, and the hash before it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, content: bytes, previous: str) -> None:
        """Write down the bytes that followed the entry of this hash, unless they are there already."""
        last = self.last()
        text = base64.b64encode(content).decode()
        if last is not None and (last["previous"], last["base64"]) == (previous, text):
            return  # a crash came after they were written down
        found = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "previous": previous,
                 "bytes": len(content), "base64": text}
        partial = self.path.with_name(f".{self.path.name}.partial")
        with partial.open("w", encoding="utf-8") as stream:
            stream.write((self.path.read_text() if self.path.exists() else "") + json.dumps(found) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)
        sync_folder(self.path.parent)

    def last(self) -> dict[str, Any] | None:
        """The latest torn end; None if there never was one.

        Raises:
            InputError: if the file was damaged.
        """
        if not self.path.exists():
            return None
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8").splitlines()[-1]))
        except (ValueError, IndexError):
            raise InputError(f"{self.path}: its last line is not JSON; move it aside, and keep it") from None
