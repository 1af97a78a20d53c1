"""The commands `fedsynth evaluate` and `fedsynth quiz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.command import Format, Output, Run, run_command
from jobs.environment import AdminKit, Env, Environment, engine_of


def evaluate_command(
        run: Run, env: Env = Environment.SIM, kit: AdminKit = None,
        without: Annotated[list[str] | None, typer.Option(help="A site that is not asked. Repeatable.")] = None,
        output: Output = Format.TEXT) -> None:
    """Measure at the sites what the release is worth: realism, and segmenters trained on real and synthetic subjects.

    Under NVFlare, as training and audit: only segmenters' updates and declared statistics leave a site, and only if
    its site.toml allows these tasks by name.

    Example: fedsynth evaluate runs/demo

    Example: fedsynth evaluate runs/demo --env poc --without north
    """
    from jobs.evaluate import evaluate
    from jobs.run_folder import RunFolder

    folder = RunFolder(run)
    run_command(lambda talk: evaluate(folder, talk, engine_of(env, folder, talk.say, kit), without or ()), output)


def quiz_command(
        run: Run, n: Annotated[int, typer.Option("--n", "-n", min=1, max=200, help="Pictures.")] = 20,
        seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
        serve: Annotated[bool, typer.Option(help="Serve the page on this machine alone and keep readers' answers; "
                                                 "Ctrl-C ends it.")] = False,
        score: Annotated[Path | None, typer.Option(help="Score an answers file that the page saved.")] = None,
        output: Output = Format.TEXT) -> None:
    """Write a page on which a reader guesses which images are real: scans of simulated hospitals, or released volumes.

    The page needs no network and scores in the browser; two mosaics are written beside it. Refused where a hospital is
    not simulated: its scans must not leave it.

    Example: fedsynth quiz runs/demo --n 40

    Example: fedsynth quiz runs/demo --score answers.json
    """
    from jobs.quiz import QuizRequest, quiz
    from jobs.run_folder import RunFolder

    run_command(lambda talk: quiz(RunFolder(run), QuizRequest(n, seed, serve, score), talk), output)
