"""The commands `fedsynth plan` and `fedsynth budget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.command import Format, Output, run_command

budget_app = typer.Typer(no_args_is_help=True, help="What a site's patients have spent of their privacy.")


def plan_command(
        run: Annotated[Path | None, typer.Argument(help="A run folder whose cohorts are prepared.")] = None,
        sites: Annotated[str | None, typer.Option(help="Or all patients of each site: 175,125,95,80.")] = None,
        members: Annotated[str | None, typer.Option(help="Or members of each site: 100,100.")] = None,
        holdout: Annotated[str | None, typer.Option(help="With --members: holdout patients of each site.")] = None,
        study: Annotated[Path | None, typer.Option(help="A study.toml (default: the tiny preset).")] = None,
        epsilon: Annotated[float | None, typer.Option(help="In place of the study's.")] = None,
        delta: Annotated[float | None, typer.Option(help="In place of the study's.")] = None,
        rounds: Annotated[int | None, typer.Option(min=1, help="In place of the study's.")] = None,
        trains: Annotated[str | None, typer.Option(help="summary, adapted, all or scratch.")] = None,
        output: Output = Format.TEXT) -> None:
    """Say what a private study would cost each patient, and whether it can be expected to work; no scan is read.

    Example: fedsynth plan --sites 250,250 --epsilon 3
    """
    from jobs.plan import Numbers
    from jobs.private_plan import PlanRequest, plan_privately

    asked = PlanRequest(Numbers(run, study, sites, members, holdout), epsilon, delta, rounds, trains)
    run_command(lambda talk: plan_privately(asked, talk), output)


@budget_app.command("show")
def budget_show(
        path: Annotated[Path, typer.Argument(help="A run folder, or one site's site.toml.")],
        site: Annotated[str | None, typer.Option(help="One site of the run folder only.")] = None,
        output: Output = Format.TEXT) -> None:
    """Print what each site's patients have spent, by job and round, from the site's own ledger.

    Example: fedsynth budget show runs/private --site north
    """
    from jobs.budget import show_budget

    run_command(lambda talk: show_budget(path, talk, site), output)


def pretrain_generator(
        study: Annotated[Path, typer.Argument(help="A study.toml: sizes, grid and recipe.")],
        seed: Annotated[int, typer.Option(min=0, help="Of the subjects, the first weights and every draw.")] = 0,
        steps: Annotated[int, typer.Option(min=1, help="Of training, about .2 s each on one core for preset tiny.")]
        = 1200,
        weights: Annotated[Path | None, typer.Option("--output", help="The file to write (default: where the package "
                                                                      "looks for networks of these sizes).")] = None,
        output: Output = Format.TEXT) -> None:
    """Train generator and discriminator from simulated subjects alone, for private studies to begin with.

    Same study, seed and steps, same weights on the same machine with as many threads. Every party needs the same file.

    Example: fedsynth pretrain generator runs/private/study.toml --seed 0
    """
    from jobs.pretrain import generator

    run_command(lambda talk: generator(study, weights, talk, seed, steps), output)
