"""Where jobs run: `--env sim`, `poc` or `prod`, one and the same job in each."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from privacy_eval.errors import InputError

if TYPE_CHECKING:  # the command line's help should not wait for torch
    from jobs.engine import Engine
    from jobs.run_folder import RunFolder


class Environment(StrEnum):
    """NVFlare's simulator, a provisioned federation on this machine alone, or one across hospitals."""

    SIM = "sim"
    POC = "poc"
    PROD = "prod"


Env = Annotated[Environment, typer.Option(help="sim: NVFlare's simulator; poc: a provisioned, locked-down federation "
                                               "on this machine; prod: one across hospitals, from its server's "
                                               "machine.")]
AdminKit = Annotated[Path | None, typer.Option("--kit", help="With --env prod: the startup kit of who may submit.")]


def engine_of(env: Environment, run: RunFolder, say: Callable[[str], None], kit: Path | None = None) -> Engine:
    """The engine that runs a run folder's jobs there, not yet entered; it says what it does beyond the plain way.

    Raises:
        InputError: if the kit is missing, none, or not called for.
    """
    if env is Environment.PROD:
        from poc_workspace.engine import ProdEngine

        if kit is None:
            raise InputError("--env prod: needs --kit, the startup kit of who may submit jobs; see docs/deploy.md")
        return ProdEngine(run, kit, say)
    if kit is not None:
        raise InputError(f"--kit {kit}: goes with --env prod, found --env {env}; leave it out")
    if env is Environment.POC:
        from poc_workspace.engine import PocEngine

        return PocEngine(run, say)
    from jobs.simulation import Simulator

    return Simulator(run)
