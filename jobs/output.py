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

_COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))

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
        self.console.print(text, markup=False, soft_wrap=True)  # it may quote what others wrote

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """A progress bar with an estimate while a stage runs (a line a quarter where there is no terminal).

        The stage's seconds are kept in `seconds`.
        """
        started = time.monotonic()
        if self.console.is_terminal:
            with Progress(*_COLUMNS, console=self.console) as progress:
                task = progress.add_task(title, total=1.0, note="")
                yield lambda share, note: progress.update(task, completed=share, note=note)
                progress.update(task, completed=1.0, note="")
        else:
            self.say(f"{title} …")
            yield self._quarters(title, started)
        self.seconds[title] = time.monotonic() - started
        if not self.console.is_terminal:
            self.say(f"{title}: {self.seconds[title]:.0f} s")

    def _quarters(self, title: str, started: float) -> Advance:
        """Says at a quarter, a half and three quarters how long it will still take."""
        ahead = [0.25, 0.5, 0.75]

        def advance(share: float, note: str) -> None:
            if ahead and ahead[0] <= share < 1:
                while ahead and ahead[0] <= share:
                    ahead.pop(0)
                left = (time.monotonic() - started) * (1 - share) / share
                self.say(f"{title}: {share:.0%}, about {left:.0f} s left{f' ({note})' if note else ''}")

        return advance

    def result(self, data: dict[str, Any]) -> None:
        """The command's result, on stdout."""
        if self.as_json:
            typer.echo(json.dumps(data, sort_keys=True))
        else:
            for key, value in data.items():
                typer.echo(f"{key}: {value}")
