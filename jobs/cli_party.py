"""The command line of who runs a party: `fedsynth site` at a hospital, `fedsynth server` at the consortium's lead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.command import Format, Output, run_command

site_app = typer.Typer(no_args_is_help=True, help="A hospital's own machine: whether it is ready, its lock-down.")
server_app = typer.Typer(no_args_is_help=True, help="The consortium's server: its lock-down.")


@site_app.command("doctor")
def site_doctor(
        target: Annotated[Path, typer.Argument(help="A run folder, or the site's site.toml.")],
        site: Annotated[str | None, typer.Option(help="With a run folder: which of its sites.")] = None,
        study_hash: Annotated[str | None, typer.Option(help="The server's hash of the study.")] = None,
        kit: Annotated[Path | None, typer.Option(help="The site's startup kit.")] = None,
        server: Annotated[str | None, typer.Option(help="HOST:PORT (default: the kit's).")] = None,
        output: Output = Format.TEXT) -> None:
    """Check data, study, policy, ledger, state, disk, memory, threads, packages, clock, startup kit and server.

    Never logs in as the site, which would evict the running client.

    Exit code: 0 all well, 1 something to fix, 2 bad input.

    Example: fedsynth site doctor /srv/fedsynth/site.toml --kit /srv/fedsynth/kit
    """
    from jobs.doctor import Examination, examine

    asked = Examination(target, site, study_hash, kit, server)
    raise typer.Exit(1 if run_command(lambda talk: examine(asked, talk), output)["to_fix"] else 0)


@site_app.command("lock-down")
def site_lock_down(
        site_file: Annotated[Path, typer.Argument(help="The site's site.toml.")],
        kit: Annotated[Path, typer.Option(help="The site's startup kit.")],
        output: Output = Format.TEXT) -> None:
    """Compile the site's policy into NVFlare's own files in its startup kit; then start, or restart, the site.

    After each new kit, and after each change of site.toml. Without it a job may do nearly anything.

    Example: fedsynth site lock-down /srv/fedsynth/site.toml --kit /srv/fedsynth/kit
    """
    from poc_workspace.lockdown import lock_site

    run_command(lambda _: {"written": [str(path) for path in lock_site(kit, site_file)]}, output)


@server_app.command("lock-down")
def server_lock_down(
        kit: Annotated[Path, typer.Argument(help="The server's startup kit.")],
        storage: Annotated[Path, typer.Option(help="Where the server keeps submitted jobs and snapshots.")],
        output: Output = Format.TEXT) -> None:
    """Let the server build our classes alone, run no code that a job brings, and keep its jobs in a folder of its own.

    Example: fedsynth server lock-down /srv/fedsynth/kit --storage /srv/fedsynth/storage
    """
    from poc_workspace.lockdown import lock_server

    run_command(lambda _: {"written": [str(path) for path in lock_server(kit, storage)]}, output)
