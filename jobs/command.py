"""What every command of the line shares: its arguments' types, its voice, its exit code for bad input."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from privacy_eval.errors import InputError


class Format(StrEnum):
    """How the result is printed."""

    TEXT = "text"
    JSON = "json"


Run = Annotated[Path, typer.Argument(help="The run folder, such as runs/demo.")]
Output = Annotated[Format, typer.Option("--format", help="json: exactly one JSON object on stdout, talk on stderr.")]


def run_command(command: Callable[[Any], dict[str, Any]], output: Format) -> dict[str, Any]:
    """Run a command with its voice; what a user can mend is one line and exit code 2."""
    from jobs.engine import JobFailedError
    from jobs.output import Talk

    talk = Talk(output is Format.JSON)
    try:
        result = command(talk)
    except (InputError, JobFailedError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"fedsynth: {error}", style="red")
        raise typer.Exit(2) from None
    talk.result(result)
    return result
