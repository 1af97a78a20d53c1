"""`fedsynth ledger`: whether a site's ledger is intact, and what it says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from fl_components.guard.anchor import Anchor, read_anchor
from fl_components.guard.ledger import Ledger
from fl_components.site import Site
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

_WIDTH: Final = 160
"""Columns where there is no terminal to ask."""
_COLUMNS: Final = ("time", "task", "round", "bytes", "tensors", "norm", "decision", "reason", "ε before", "ε after")
_NUMBERS: Final = frozenset({"round", "bytes", "tensors", "norm", "ε before", "ε after"})


def verify(path: Path, talk: Talk, site: str | None = None, anchor: Path | None = None) -> dict[str, Any]:
    """Check ledgers byte for byte, and against their anchors.

    Args:
        path: a run folder, or one ledger.
        talk: says of each ledger whether it is intact.
        site: one site of the run folder alone.
        anchor: a copy of one ledger's anchor that was kept elsewhere; the ledger must still contain it.

    Returns:
        `intact`; where JSON is wanted also `ledgers`: by site, or by path, the number of entries, the last hash, the
        first break in one line or None, and notes on what a crash left. Else these were printed, a line a ledger.

    Raises:
        InputError: if there is no such run, site, ledger or anchor.
    """
    ledgers = find_ledgers(path, site)
    if anchor is not None and len(ledgers) > 1:
        raise InputError(f"--anchor {anchor}: is of one ledger, but {path} holds {len(ledgers)}; name one with --site")
    kept = _kept_anchor(anchor) if anchor is not None else None
    found = {name: ledger.check(kept) for name, ledger in ledgers.items()}
    intact = not any(check.problem for check in found.values())
    if talk.as_json:
        return {"intact": intact, "ledgers": {name: check._asdict() for name, check in found.items()}}
    for name, check in found.items():
        typer.echo(f"BROKEN {name}: {check.problem}" if check.problem else
                   f"intact {name}: {check.entries} entries, last hash {check.last_hash}")
        for note in check.notes:
            typer.echo(f"       {name}: {note}; the next append writes it down")
    return {"intact": intact}


def show(path: Path, talk: Talk, site: str | None = None) -> dict[str, Any]:
    """Print ledgers as tables on stdout, or give back every entry in full where JSON is wanted.

    Raises:
        InputError: if there is no such run, site or ledger, or a line of one is not JSON.
    """
    entries = {name: ledger.entries() for name, ledger in find_ledgers(path, site).items()}
    if talk.as_json:
        return {"ledgers": entries}
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    for name, found in entries.items():
        table = Table(*(_heading(column) for column in _COLUMNS), title=Text(f"{name}: {len(found)} entries"))
        for entry in found:
            table.add_row(*map(Text, _row(entry)))
        console.print(table)
    return {}


def find_ledgers(path: Path, site: str | None = None) -> dict[str, Ledger]:
    """The ledgers meant by a path: one file, or those of a run folder's sites that are on this machine.

    Raises:
        InputError: if there is none, or no such site.
    """
    if path.is_file():
        if site is not None:
            raise InputError(f"--site {site}: {path} is one ledger already; leave the option out, or name a run folder")
        return {str(path): Ledger(path)}
    if not path.is_dir():
        raise InputError(f"{path}: neither a run folder nor a ledger; name the one or the other")
    run = RunFolder(path)
    names = sorted(file.parent.name for file in path.glob("sites/*/site.toml"))
    if not names or (site is not None and site not in names):
        raise InputError(f"{run.site_file(site or '*')}: no such file; {path} holds "
                         f"{'the sites ' + ', '.join(names) if names else 'no site'}; name a run folder and its site")
    return {name: Ledger(Site.from_file(run.site_file(name)).ledger) for name in names if site in (None, name)}


def _kept_anchor(path: Path) -> Anchor:
    anchor = read_anchor(path)
    if anchor is None:
        raise InputError(f"{path}: no such file; name the copy of a ledger.anchor that was kept")
    return anchor


def _heading(column: str) -> Column:
    return Column(column, justify="right" if column in _NUMBERS else "left",
                  overflow="fold" if column in {"reason", "time"} else "ellipsis")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """One entry's cells; empty where it says nothing of it."""
    tensors = entry.get("tensors")
    return (str(entry.get("time", "")), str(entry.get("task", "")), str(entry.get("round", "")),
            str(entry.get("bytes", "")), "" if tensors is None else str(len(tensors)), _number(entry.get("norm")),
            str(entry.get("decision", "")), str(entry.get("reason", "")), _number(entry.get("epsilon_before")),
            _number(entry.get("epsilon_spent")))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
