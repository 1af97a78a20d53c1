"""The command `fedsynth edit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.command import Format, Output, run_command


def edit_command(
        run: Annotated[Path | None, typer.Argument(help="The run folder whose generator renders; none: labels only.")]
        = None,
        edits: Annotated[Path, typer.Option(help="The edit file, or the record of an earlier run.")] = Path(
            "edits.json"),
        subject: Annotated[str | None, typer.Option(help="A volume of the run's release: sub-synth0001.")] = None,
        anatomy: Annotated[Path | None, typer.Option(help="A NIfTI dseg in template space.")] = None,
        scheme: Annotated[str | None, typer.Option(help="Its labels: 'fedsynth', or a dseg.tsv file.")] = None,
        site: Annotated[str | None, typer.Option(help="With --case: a site's own subject; stays in its state.")] = None,
        case: Annotated[str | None, typer.Option(help="A prepared subject of --site.")] = None,
        folder: Annotated[Path | None, typer.Option("--output", help="Folder (default: edits/ in the run folder, in "
                                                                     "the site's state, or here).")] = None,
        output: Output = Format.TEXT) -> None:
    """Move, resize, compose, transplant, add or remove tumours, and render the anatomy before and after.

    Contrast, noise and normalisation are held, so that before and after differ by the edit alone.

    Example: fedsynth edit runs/demo --edits edits.json --subject sub-synth0001

    Example: fedsynth edit --edits edits.json --anatomy dseg.nii.gz --scheme fedsynth

    Example: fedsynth edit runs/demo --edits edits.json --site north --case north_000
    """
    from jobs.edit import EditRequest, edit

    asked = EditRequest(edits, run, subject, anatomy, scheme, site, case, folder)
    run_command(lambda talk: edit(asked, talk), output)
