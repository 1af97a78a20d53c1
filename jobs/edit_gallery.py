"""One edit of each kind on released volumes, as pictures: for the docs, and for the demo's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.anatomy.edit.apply import Edited, apply_edits
from fl_components.anatomy.edit.model import EditFile
from fl_components.cohort.layout import read_volume
from fl_components.json_file import read_json, write_json
from fl_components.server.release import ANATOMY_END
from fl_components.server.release_manifest import release_digest
from fl_components.vocabulary import N_LABELS, TUMOUR
from jobs.edit import render_edit
from jobs.edit_picture import edit_picture
from jobs.edit_source import Source, released_source
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError
from privacy_eval.report import Figure

_LEFT, _RIGHT = {"edit": "move", "to": "left hemisphere"}, {"edit": "move", "to": "right hemisphere"}
EXAMPLES: Final[Mapping[str, tuple[str, tuple[dict[str, Any], ...]]]] = {
    "move": ("A tumour moved 24 mm to the back and 8 mm up", ({"edit": "move", "by_mm": [0, -24, 8]},)),
    "hemisphere": ("A tumour moved into the other hemisphere", (_LEFT, _RIGHT)),
    "grow": ("A tumour grown to twice its volume", ({"edit": "resize", "factor": 2},)),
    "shrink": ("A tumour shrunk to two fifths of its volume", ({"edit": "resize", "factor": 0.4},)),
    "compose": ("A tumour made of 40 % necrosis, 25 % enhancement and 35 % oedema",
                ({"edit": "compose", "necrosis": 0.4, "enhancement": 0.25, "oedema": 0.35},)),
    "transplant": ("A tumour put into a healthy brain",
                   ({"edit": "transplant", "to": "right frontal",
                     "tumour": {"volume_ml": 45, "necrosis": 0.1, "enhancement": 0.2, "oedema": 0.7}},)),
    "add_focus": ("A second focus of 12 ml", ({"edit": "add_focus", "volume_ml": 12},)),
    "remove": ("A tumour removed, its tissue restored", ({"edit": "remove"},)),
}
"""By name: what the picture shows, and the edits that may show it, the first that can be made."""
VOLUME_ML: Final = (20.0, 90.0)
"""Tumours that are shown are of this size: seen well, and with room around."""
GALLERY: Final = "gallery.json"
PART_ML: Final = 2.0
_CANDIDATES: Final = 8
_SEARCHED: Final = 80

_Volumes = dict[str, tuple[float, ...]]
"""Necrosis, oedema and enhancing tumour in ml, by volume."""


def edit_gallery(run: RunFolder, folder: Path, seed: int = 0) -> list[Figure]:
    """Write `<folder>/<example>.png` for each of `EXAMPLES`, from the first released volume on which it can be made.

    Args:
        run: with a generator and a release.
        folder: where the pictures go, with `gallery.json`, which says of which release they are.
        seed: of the edits.

    An example that can be made on none of its first volumes is left out, and `gallery.json` says why.

    Raises:
        InputError: if there is no generator or no release.
    """
    volumes, sources = _volumes(run), cache(lambda name: released_source(run, name))
    shown: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name, (title, edits) in EXAMPLES.items():
        subjects = _candidates(volumes, healthy=name == "transplant")
        found = _first_that_can(sources, subjects, name, edits, seed)
        if isinstance(found, str):
            refused[name] = found
            continue
        source, edited = found
        pair = render_edit(run, source, edited, seed)
        edit_picture(pair.labels, pair.images, folder / f"{name}.png", title)
        shown[name] = {"title": title, "subject": source.name, "measures": edited.measures[0]}
    write_json(folder / GALLERY, {"release": release_digest(run.release), "seed": seed, "shown": shown,
                                  "refused": refused})
    return gallery_figures(run, folder)


def gallery_figures(run: RunFolder, folder: Path) -> list[Figure]:
    """The pictures that `edit_gallery` left, if they are of the present release; else none."""
    if not (folder / GALLERY).exists():
        return []
    gallery = read_json(folder / GALLERY)
    if gallery["release"] != release_digest(run.release):
        return []
    return [Figure(f"Edit: {shown['title']}", (folder / f"{name}.png").read_bytes(),
                   f"{shown['subject']} before and after, contrast, noise and normalisation held, and after minus "
                   f"before (red brighter, blue darker). {_words(shown['measures'])}")
            for name, shown in gallery["shown"].items()]


def _first_that_can(sources: Callable[[str], Source], subjects: Sequence[str], name: str,
                    edits: tuple[dict[str, Any], ...], seed: int) -> tuple[Source, Edited] | str:
    """The first volume on which one of the edits can be made, edited; or why there is none."""
    refused = "no volume of the release is fit to show it"
    for subject in subjects:
        source = sources(subject)
        for edit in edits:
            file = EditFile.parse({"seed": seed, "edits": [edit]}, f"example {name}")
            try:
                return source, apply_edits(source.head, file, lambda donor: sources(donor).head.labels)
            except InputError as error:
                refused = f"{subject}: {error}"
    return refused


def _candidates(volumes: _Volumes, healthy: bool) -> list[str]:
    """Healthy brains, or tumours of a good size, those that have all three parts first."""
    if healthy:
        return [name for name, parts in volumes.items() if not sum(parts)][:_CANDIDATES]
    fit = [name for name, parts in volumes.items() if VOLUME_ML[0] <= sum(parts) <= VOLUME_ML[1]]
    return sorted(fit, key=lambda name: min(volumes[name]) < PART_ML)[:_CANDIDATES]


def _volumes(run: RunFolder) -> _Volumes:
    voxel_ml = run.study().grid.spacing_mm**3 / 1000
    found = {}
    for path in sorted(run.release.glob(f"sub-*/anat/*{ANATOMY_END}.nii.gz"))[:_SEARCHED]:
        counts = np.bincount(read_volume(path)[0].ravel().astype(np.int64), minlength=N_LABELS)
        found[path.parent.parent.name] = tuple(float(counts[part]) * voxel_ml for part in TUMOUR)
    if not found:
        raise InputError(f"{run.release}: no volumes; 'fedsynth synthesize' makes them")
    return found


def _words(measures: dict[str, Any]) -> str:
    words = f"Tumour {measures['tumour_ml']['before']:.1f} ml before, {measures['tumour_ml']['after']:.1f} ml after"
    if "distance_asked_mm" in measures:
        words += f"; {measures['distance_asked_mm']:.1f} mm asked, {measures['distance_made_mm']:.1f} mm made"
    return f"{words}."
