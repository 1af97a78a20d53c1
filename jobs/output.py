"""What a command says: talk and progress on stderr, the result on stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[float, str], None]
"""Called with the share done, in [0, 1], and a few words on what is going on."""


class Talk:
    """One command's voice.

    Args:
        as_json: print the result as exactly one JSON object instead of lines.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = Console(stderr=True, highlight=False)
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """A line of talk."""
        self.console.print(text)

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """A progress bar with an estimate while a stage runs; its seconds are kept in `seconds`."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
                   TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
        started = time.monotonic()
        if not self.console.is_terminal:
            self.say(f"{title} …")
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(title, total=1.0, note="")
            yield lambda share, note: progress.update(task, completed=share, note=note)
            progress.update(task, completed=1.0, note="")
        self.seconds[title] = time.monotonic() - started
        if not self.console.is_terminal:
            self.say(f"{title}: {self.seconds[title]:.0f} s")

    def result(self, data: dict[str, Any]) -> None:
        """The command's result, on stdout."""
        if self.as_json:
            typer.echo(json.dumps(data, sort_keys=True))
        else:
            for key, value in data.items():
                typer.echo(f"{key}: {value}")
