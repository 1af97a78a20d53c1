"""The command line: `python -m poc_workspace RUN`."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli import EXIT_CODES, Format, Output, Run, run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Job(StrEnum):
    """The jobs there are."""

    TRAIN = "train"
    AUDIT = "audit"


@app.command()
def poc(run: Run, job: Annotated[Job, typer.Option(help="Which job.")] = Job.TRAIN,
        output: Output = Format.TEXT) -> None:
    """Run a prepared run folder's job in NVFlare's POC: a server and sites of their own, mutual TLS, locked down.

    Exit code: train 0, audit as 'fedsynth audit'; 2 bad input or a job that failed.

    Example: python -m poc_workspace runs/demo --job train
    """
    from jobs.audit import audit
    from jobs.run_folder import RunFolder
    from jobs.train import train
    from poc_workspace.poc import run_in_poc

    folder = RunFolder(run)
    if job is Job.TRAIN:
        run_command(lambda talk: {**train(folder, talk, run_in_poc), "ledgers": _ledgers(run)}, output)
        return
    result = run_command(lambda talk: {**audit(folder, talk, run_in_poc), "ledgers": _ledgers(run)}, output)
    raise typer.Exit(EXIT_CODES[result["verdict"]])


def _ledgers(run: Path) -> str:
    return str(run / "sites" / "*" / "ledger.jsonl")


def main() -> None:
    """Entry point."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the deployment is cleared away
    try:
        app(prog_name="python -m poc_workspace")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
