"""What a layout of a table is made of: the way into a result's figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """A level whose entries are rows: a list, or a mapping, its keys (all if none are named) under `heading`."""

    heading: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """The level whose entries are columns: heading by key; the key "" is the row itself, which is an interval."""

    headings: dict[str, str]


@dataclass(frozen=True)
class Layout:
    """The way into a result's figures, level by level (a plain text is one key), and what the numbers are."""

    result: str
    levels: tuple[str | Rows | Columns, ...]
    note: str
