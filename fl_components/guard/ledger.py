"""The ledger: a site's own append-only, hash-chained record of everything that left it, and of what was refused."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fl_components.durable import sync_folder
from fl_components.guard.anchor import NOTHING, Anchor, anchor_of, last_hash, read_anchor, write_anchor
from fl_components.guard.chain import break_of_entries, break_of_lines, chained, from_line, to_line
from fl_components.guard.torn import TornFile
from fl_components.links import require_no_link
from privacy_eval.errors import InputError


class LedgerCheck(NamedTuple):
    """What `Ledger.check` found.

    Attributes:
        entries: how many whole ones there are; 0 if the anchor cannot be read.
        last_hash: of the last; worth keeping outside the site's machine.
        problem: the first break in one line, None if the ledger is intact.
        notes: what a crash left and the next append will record; no acknowledged entry is touched by it.
    """

    entries: int
    last_hash: str
    problem: str | None
    notes: tuple[str, ...] = ()


class _Content(NamedTuple):
    """A ledger as it lies on disk: whole lines without their ends, and what follows them."""

    lines: list[bytes]
    torn: bytes


class Ledger:
    """JSON lines at `path`; each entry carries the hash of the one before it and its own.

    Changing, removing or reordering an entry breaks the chain from there on; cutting entries off the end contradicts
    `ledger.anchor` beside it (`fl_components.guard.anchor`). An append is acknowledged, by returning, when entry and
    anchor are on disk. A crash leaves at most one entry more than the anchor names, or a torn line: the next append
    chains an entry with the decision "recovered" that says so, and moves torn bytes to `<ledger>.torn`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.anchor = path.with_suffix(".anchor")
        self.torn = TornFile(path.with_name(f"{path.name}.torn"))

    def append(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Add an entry and wait until it is on disk. Returns it with `sequence`, `previous` and `hash`.

        Raises:
            InputError: if the ledger's end is not what the anchor names, or either is a symbolic link; nothing is
                added.
        """
        return self._append(lambda lines: entry)

    def append_after(self, write: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> dict[str, Any]:
        """Add the entry that `write` makes of all earlier ones; no other entry can come between.

        Raises:
            InputError: as `append`, and if a line is not JSON.
        """
        return self._append(lambda lines: write(self._parsed(lines)))

    def entries(self) -> list[dict[str, Any]]:
        """All whole entries, oldest first; none if nothing was ever sent.

        Raises:
            InputError: if a line is not JSON, the anchor was damaged, or either is a symbolic link.
        """
        return self._parsed(self._read()[0].lines)

    def verify(self) -> str | None:
        """The first break in one line, or None if the ledger is intact."""
        return self.check().problem

    def check(self, earlier: Anchor | None = None) -> LedgerCheck:
        """Verify every byte, the order, and that nothing is missing.

        Args:
            earlier: an anchor kept elsewhere, however old, that the ledger must still contain.
        """
        try:
            content, anchor = self._read()
        except InputError as error:  # of the anchor, or of a link
            return LedgerCheck(0, "", str(error))
        broken = break_of_lines(content.lines)
        problem = str(broken) if broken else self._contradiction(content.lines, anchor)
        if problem is None and earlier is not None and (reason := earlier.contradiction(content.lines)):
            problem = f"against the anchor kept elsewhere: {reason}"
        end = anchor_of(content.lines)
        if problem:
            return LedgerCheck(end.entries, end.last_hash, f"{self.path}: {problem}")
        notes = [*_unanchored(content.lines, anchor), *([_torn(len(content.torn))] if content.torn else [])]
        return LedgerCheck(end.entries, end.last_hash, None, tuple(notes))

    def break_of(self, entries: Sequence[Mapping[str, Any]]) -> str | None:
        """The first break of the chain of entries that were read, in one line."""
        broken = break_of_entries(entries)
        return f"{self.path}: {broken}" if broken else None

    def _append(self, write: Callable[[list[bytes]], Mapping[str, Any]]) -> dict[str, Any]:
        self._require_plain()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self.path.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # two jobs of one site must not interleave
            if is_new:
                sync_folder(self.path.parent)
            lines = self._recover(stream)
            return self._write(stream, lines, write(lines))

    def _write(self, stream: BinaryIO, lines: list[bytes], entry: Mapping[str, Any]) -> dict[str, Any]:
        """Add one entry to the file, to `lines` and to the anchor."""
        end = anchor_of(lines)
        new = chained(entry, end.entries, end.last_hash)
        line = to_line(new)
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
        lines.append(line.rstrip(b"\n"))
        write_anchor(self.anchor, anchor_of(lines))
        return new

    def _recover(self, stream: BinaryIO) -> list[bytes]:
        """The whole lines, after what a crash left was put right and written down."""
        stream.seek(0)
        anchor = read_anchor(self.anchor)
        content = _split(stream.read(), anchor)
        if problem := self._contradiction(content.lines, anchor, migrate=True):
            raise InputError(f"{self.path}: {problem}; nothing leaves this site until somebody looked into it: see "
                             "'fedsynth ledger verify'")
        found = _unanchored(content.lines, anchor)
        if torn_bytes := self._put_aside(stream, content):
            found.append(_torn(torn_bytes))
        if found:
            self._write(stream, content.lines, {
                "time": datetime.now(UTC).isoformat(timespec="seconds"), "decision": "recovered",
                "reason": "; ".join(found), "torn_bytes": torn_bytes})
        return content.lines

    def _put_aside(self, stream: BinaryIO, content: _Content) -> int:
        """Move a torn end to its own file; the number of bytes that no entry tells of yet."""
        end = last_hash(content.lines)
        if content.torn:
            self.torn.keep(content.torn, end)
            stream.truncate(sum(len(line) + 1 for line in content.lines))
            os.fsync(stream.fileno())
            return len(content.torn)
        last = self.torn.last()  # moved already, if a crash came before the entry that tells of it
        return int(last["bytes"]) if last is not None and last["previous"] == end else 0

    def _contradiction(self, lines: Sequence[bytes], anchor: Anchor | None, migrate: bool = False) -> str | None:
        """Why the lines are not what the anchor and at most one crash make of them."""
        if anchor is None:
            unanchored = len(lines) > 1 and not migrate
            return (f"holds {len(lines)} entries, but {self.anchor.name} beside it is missing, so that entries removed "
                    "from the end cannot be seen; an earlier version wrote none, else it was removed"
                    ) if unanchored else None
        if reason := anchor.contradiction(lines):
            return reason
        if len(lines) > anchor.entries + 1:
            return (f"line {anchor.entries + 2} and what follows are not in its anchor, which names {anchor.entries} "
                    "entries: no crash leaves that, something else wrote them")
        return None

    def _read(self) -> tuple[_Content, Anchor | None]:
        """Ledger and anchor as no append is changing them."""
        self._require_plain()
        if not self.path.exists():
            return _Content([], b""), read_anchor(self.anchor)
        with self.path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            anchor = read_anchor(self.anchor)
            return _split(stream.read(), anchor), anchor

    def _require_plain(self) -> None:
        for path in (self.path, self.anchor, self.torn.path):
            require_no_link(path)

    def _parsed(self, lines: list[bytes]) -> list[dict[str, Any]]:
        return [self._parse(number, line) for number, line in enumerate(lines, 1)]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            return from_line(line)
        except ValueError:
            raise InputError(f"{self.path}: line {number} is not JSON; the ledger was damaged") from None


def _split(content: bytes, anchor: Anchor | None) -> _Content:
    """Whole lines, and a torn end: bytes without a line's end, or the one line after the anchor if it is broken.

    A machine that loses its power can write the end of a line before its beginning.
    """
    *lines, torn = content.split(b"\n")
    if anchor is not None and not torn and len(lines) == anchor.entries + 1:
        broken = break_of_lines(lines)
        if broken is not None and broken.line == len(lines):
            return _Content(lines[:-1], lines[-1] + b"\n")
    return _Content(lines, torn)


def _unanchored(lines: Sequence[bytes], anchor: Anchor | None) -> list[str]:
    """What the anchor does not tell of, in words."""
    if anchor is None and len(lines) > 1:
        return [f"no anchor was found beside {len(lines)} entries"]
    known = (anchor or NOTHING).entries
    if len(lines) > known:
        return [f"entry {known} was written whole, but a crash came before it was anchored: whether what it names left "
                "is not known"]
    return []


def _torn(size: int) -> str:
    return f"an unfinished entry of {size} bytes, as a crash leaves it: it was never acknowledged"
