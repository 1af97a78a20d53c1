"""`fedsynth edit`: tumours moved, resized, composed anew, put in, added, taken out; rendered before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.anatomy.edit.apply import Edited, apply_edits
from fl_components.anatomy.edit.measure import images_changed_beyond_reach
from fl_components.anatomy.edit.model import EditFile
from fl_components.durable import replace_durably
from fl_components.json_file import write_json
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render_pair
from fl_components.server.release import ANATOMY_END, FULL_SCALE, IMAGE_ENDS
from fl_components.server.release_files import SYNTHETIC, nifti_bytes
from fl_components.server.synthesize import release_calibration, trained_generator
from jobs.edit_picture import edit_picture
from jobs.edit_source import Source, given_source, read_anatomy, released_source, site_source
from jobs.output import Talk
from jobs.provenance import command_line, provenance
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

PERSONAL: Final = b"Edited from a given anatomy, which may be a person's; see the header extension"
"""What the headers say where the anatomy was not sampled."""


@dataclass(frozen=True)
class EditRequest:
    """What was asked for on the command line; see `fedsynth edit --help`."""

    edits: Path
    run: Path | None = None
    subject: str | None = None
    anatomy: Path | None = None
    scheme: str | None = None
    site: str | None = None
    case: str | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Pair:
    """Before and after: `labels` (X, Y, Z) uint8 each, `images` (4, X, Y, Z) each or None where nothing rendered."""

    labels: tuple[np.ndarray, np.ndarray]
    images: tuple[np.ndarray, np.ndarray] | None


def edit(asked: EditRequest, talk: Talk) -> dict[str, Any]:
    """Make the edits, render, write.

    Returns:
        The folder, the picture, the record's path, each edit's measures and, where the file is a record of the same
        anatomy, whether the voxels are those recorded.

    Raises:
        InputError: if the file or the anatomy is unusable, or an edit cannot be made.
    """
    file = EditFile.from_file(asked.edits)
    run = None if asked.run is None else RunFolder(asked.run)
    source = _source(asked, run)
    with talk.stage(f"Editing {source.name}") as advance:
        edited = apply_edits(source.head, file, _donor(run, source))
        advance(0.5, "rendering")
        pair = render_edit(run, source, edited, file.seed)
        folder = asked.output or source.folder
        record = _record(run, source, edited, pair, file)
        _write(folder, source, pair, file, record)
    same = _replayed(file, record)
    return {"folder": str(folder), "picture": str(folder / "edit.png"), "record": str(folder / "edit.json"),
            "edits": list(edited.measures), **({} if same is None else {"same_as_recorded": same})}


def render_edit(run: RunFolder | None, source: Source, edited: Edited, seed: int) -> Pair:
    """Before and after with one contrast and one noise; labels alone without a run.

    Raises:
        InputError: if the run has no trained generator.
    """
    labels = edited.before, edited.after
    if run is None or source.look is None:
        return Pair(labels, None)
    study = run.study()
    precision = choose_precision(study.training.precision)
    generator = trained_generator(run.server, study, precision)
    calibration = release_calibration(run.server, study)
    tissues = np.concatenate(labels)  # a tissue of either is known to both, or its absence alone would change the look
    contrast, noise = source.look(tissues, seed)
    return Pair(labels, render_pair(generator, *labels, calibration.asked(contrast), noise, precision))


def _source(asked: EditRequest, run: RunFolder | None) -> Source:
    """The one anatomy that was named."""
    named = [name for name in ("subject", "anatomy", "site") if getattr(asked, name) is not None]
    if len(named) != 1:
        raise InputError(f"{' and '.join(f'--{name}' for name in named) or 'no anatomy'} named, expected one of "
                         "--subject, --anatomy, --site with --case")
    if asked.anatomy is not None:
        return given_source(asked.anatomy, asked.scheme, run)
    if run is None:
        raise InputError(f"--{named[0]} without a run folder; name the run first, such as runs/demo")
    if asked.subject is not None:
        return released_source(run, asked.subject)
    if asked.case is None or asked.site is None:
        raise InputError("--site without --case; name one of the site's subjects")
    if asked.output is not None:
        raise InputError(f"--output {asked.output}: a site's own anatomies are edited into the site's state only; "
                         "leave --output out")
    return site_source(run, asked.site, asked.case)


def _donor(run: RunFolder | None, source: Source) -> Callable[[str], np.ndarray]:
    """Where transplants take tumours from: a released volume, or a NIfTI anatomy on the same grid."""
    def labels(name: str) -> np.ndarray:
        if run is not None and name.startswith("sub-synth"):
            return released_source(run, name).head.labels
        found, grid, _ = read_anatomy(Path(name), "fedsynth")
        if grid.shape != source.head.grid.shape or grid.spacing_mm != source.head.grid.spacing_mm:
            raise InputError(f"donor: {name} has voxels of {grid.spacing_mm:g} mm, expected the edited anatomy's "
                             f"{source.head.grid.spacing_mm:g} mm and shape; resample it")
        return found

    return labels


def _record(run: RunFolder | None, source: Source, edited: Edited, pair: Pair, file: EditFile) -> dict[str, Any]:
    """What goes with the edit file: what was edited, what came of it, with what."""
    record: dict[str, Any] = {
        "anatomy": source.told, "edits": list(edited.measures), "before": _digest(edited.before),
        "after": _digest(edited.after), "synthetic": not source.person}
    if pair.images is not None:
        record["image_voxels_changed_beyond_reach"] = round(
            images_changed_beyond_reach(pair.images, *pair.labels, source.head.grid.spacing_mm), 6)
    if run is None:
        return record | {"provenance": {"command": command_line(), "versions": {
            name: version(name) for name in ("fedsynth", "numpy", "scipy")}}}
    digest = hashlib.sha256(run.server.generator_file.read_bytes()).hexdigest()
    return record | {"generator_digest": digest, "provenance": provenance(run.study())}


def _replayed(file: EditFile, record: dict[str, Any]) -> bool | None:
    """Whether the voxels are those of the record that was read; None if it is none, or of another anatomy."""
    if file.record is None or file.record.get("before") != record["before"]:
        return None
    return bool(file.record.get("after") == record["after"])


def _write(folder: Path, source: Source, pair: Pair, file: EditFile, record: dict[str, Any]) -> None:
    """Both anatomies and volumes as NIfTI, the record, the picture."""
    told = SYNTHETIC if not source.person else PERSONAL
    mark = {"generated_by": f"fedsynth {version('fedsynth')}", "synthetic": not source.person, "edited": source.told}
    for k, state in enumerate(("before", "after")):
        stem = f"{source.name}_desc-{state}"
        _write_bytes(folder / f"{stem}_{ANATOMY_END}.nii.gz",
                     nifti_bytes(pair.labels[k].astype(np.uint8), 1, source.affine, mark, told))
        if pair.images is not None:
            for end, image in zip(IMAGE_ENDS, pair.images[k], strict=True):
                stored = np.round(image.astype(np.float64) * FULL_SCALE).astype(np.int16)
                _write_bytes(folder / f"{stem}_{end}.nii.gz",
                             nifti_bytes(stored, 1 / FULL_SCALE, source.affine, mark, told))
    edit_picture(pair.labels, pair.images, folder / "edit.png", ", ".join(edit.edit for edit in file.edits))
    write_json(folder / "edit.json", file.model_copy(update={"record": record}).model_dump(mode="json"))


def _write_bytes(path: Path, content: bytes) -> None:
    replace_durably(path, lambda partial: partial.write_bytes(content))


def _digest(labels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels, np.uint8).tobytes()).hexdigest()
