"""The command `fedsynth evaluate`."""

from __future__ import annotations

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
