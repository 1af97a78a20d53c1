"""What `fedsynth edit` edits: a released volume, a NIfTI anatomy, or a site's own subject; and how it is to look."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import torch

from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.source import head_of_labels, head_of_sample
from fl_components.cohort.cohort import Cohort
from fl_components.cohort.layout import read_volume
from fl_components.cohort.split import PARTS
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.json_file import read_json
from fl_components.server.population import ContrastPopulation
from fl_components.server.release import ANATOMY_END
from fl_components.server.synthesize import released_anatomy, released_look
from fl_components.study import Grid
from fl_components.vocabulary import ABBREVIATIONS, LABELS
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

OWN_SCHEME: Final = "fedsynth"
"""The shared vocabulary, 0 to 6, as in a release's dseg.tsv."""
ISOTROPIC: Final = 0.01
"""By how much, relatively, a voxel's sides may differ."""
_NAME: Final = "sub-synth"

Look = Callable[[np.ndarray, int], tuple[Contrast, torch.Generator]]
"""Contrast and noise for an anatomy (X, Y, Z) that holds all tissues of before and after, and the edit file's seed."""


@dataclass(frozen=True)
class Source:
    """One anatomy to edit.

    `head`: it. `affine`: of its voxels. `look`: how it is rendered, None without a generator. `folder`: where results
    go unless another is named. `person`: whether it is, or may be, a real person's. `told`: what the record says of it.
    """

    name: str
    head: Head
    affine: np.ndarray
    look: Look | None
    folder: Path
    person: bool
    told: dict[str, Any]


def released_source(run: RunFolder, name: str) -> Source:
    """A volume of the run's release, sampled again with all that is known of it.

    Raises:
        InputError: if there is no such volume, or the release is of another version.
    """
    study = run.study()
    path = run.release / name / "anat" / f"{name}_{ANATOMY_END}.nii.gz"
    number = name.removeprefix(_NAME)
    if not (name.startswith(_NAME) and number.isdigit() and path.is_file()):
        raise InputError(f"--subject {name}: no such volume in {run.release}; expected sub-synth0001 or a further one, "
                         "'fedsynth synthesize' makes them")
    summaries = read_json(run.server.population_file)
    drawn = released_anatomy(study, int(number), summaries)
    stored, _ = read_volume(path)
    if stored.shape != drawn.labels.shape or (stored != drawn.labels).any():
        raise InputError(f"{path}: not the anatomy that this fedsynth samples for it; synthesise the release again, or "
                         f"edit it with --anatomy {path} --scheme {OWN_SCHEME}")
    population = ContrastPopulation.of_release(study, summaries)
    return Source(name, head_of_sample(drawn, study.grid), study.grid.affine,
                  lambda labels, seed: released_look(study, int(number), population, labels),
                  run.edits / name, False, {"kind": "sampled", "subject": name, "study_seed": study.seed})


def given_source(path: Path, scheme: str | None, run: RunFolder | None) -> Source:
    """A NIfTI anatomy; with a run, on its study's grid.

    Raises:
        InputError: if it cannot be read, its labels are not the scheme's, or its grid is not one that can be edited.
    """
    if scheme is None:
        raise InputError(f"--anatomy {path}: its labels' scheme is not stated; add --scheme {OWN_SCHEME} or a dseg.tsv")
    labels, grid, affine = read_anatomy(path, scheme)
    head = head_of_labels(labels, grid)
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    told = {"kind": "given", "file": path.name, "scheme": scheme}
    if run is None:
        return Source(name, head, affine, None, Path("edits") / name, True, told)
    study = run.study()
    if grid.shape != study.grid.shape or not np.allclose(affine, study.grid.affine, atol=0.01 * grid.spacing_mm):
        raise InputError(f"{path}: on a grid of {grid.shape} voxels of {grid.spacing_mm:g} mm, expected the study's "
                         f"{study.grid.shape} of {study.grid.spacing_mm:g} mm in the same place; resample it, or leave "
                         "the run out and edit labels only")
    population = ContrastPopulation.of_release(study, read_json(run.server.population_file))

    def look(anatomy: np.ndarray, seed: int) -> tuple[Contrast, torch.Generator]:
        rng = np.random.default_rng([seed, 0])
        return population.draw(anatomy, rng), torch.Generator().manual_seed(int(rng.integers(2**62)))

    return Source(name, head, affine, look, run.edits / name, True, told)


def site_source(run: RunFolder, site_name: str, case: str) -> Source:
    """A prepared subject of a site on this machine: its own anatomy and contrast, results in its own state.

    Raises:
        InputError: if the site or the subject is unknown, or the cohort is not prepared.
    """
    study = run.study()
    found = [site for site in run.sites(study) if site.name == site_name]
    if not found:
        raise InputError(f"--site {site_name}: the study names {', '.join(study.sites)}")
    cohort = Cohort.load(found[0], study)
    names = sorted(name for part in PARTS for name in getattr(cohort.split, part))
    if case not in names:
        raise InputError(f"--case {case}: not a subject of site '{site_name}', expected one of {len(names)} such as "
                         f"{names[0] if names else '(none)'}")
    subject = Subject.load(cohort.folder / f"{case}.npz")
    population = ContrastPopulation.from_summaries(study, read_json(run.server.population_file))

    def look(anatomy: np.ndarray, seed: int) -> tuple[Contrast, torch.Generator]:
        rng = np.random.default_rng([seed, 0])
        drawn = population.draw(anatomy, rng)  # for tissues that this person's anatomy did not have before
        mean = np.where(subject.contrast.present[:, None], subject.contrast.mean, drawn.mean)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return Contrast(mean.astype(np.float32), subject.contrast.present | drawn.present), noise

    return Source(case, head_of_labels(subject.labels, study.grid), study.grid.affine, look,
                  found[0].state / "edits" / case, True, {"kind": "site's own", "site": site_name, "case": case})


def read_anatomy(path: Path, scheme: str) -> tuple[np.ndarray, Grid, np.ndarray]:
    """A label map in the shared vocabulary, RAS, its grid and affine.

    Raises:
        InputError: if the file is damaged, oblique or anisotropic, or holds values that the scheme does not have.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a NIfTI anatomy")
    data, affine = read_volume(path)
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.float64), affine))
    sides = np.abs(np.diag(image.affine)[:3])
    spacing = float(sides.mean())
    straight = np.abs(image.affine[:3, :3] - np.diag(np.diag(image.affine)[:3])).max() < ISOTROPIC * spacing
    if not straight or np.abs(sides - spacing).max() > ISOTROPIC * spacing:
        raise InputError(f"{path}: voxels of {', '.join(f'{side:g}' for side in sides)} mm, expected equal sides along "
                         "the axes; resample it to the study's grid")
    values, table = np.asarray(image.dataobj), _scheme(scheme)
    for value in np.unique(values):
        if value not in table:
            raise InputError(f"{path}: label value {value:g} is not in scheme '{scheme}', expected "
                             f"{', '.join(map(str, sorted(table)))}; mend the file or state its own scheme")
    labels: np.ndarray = np.zeros(values.shape, np.uint8)
    for value, label in table.items():
        labels[values == value] = label
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    return labels, Grid(shape=shape, spacing_mm=round(spacing, 4)), image.affine


def _scheme(scheme: str) -> dict[int, int]:
    """Values on disk to labels of the vocabulary, from a scheme's name or its dseg.tsv."""
    if scheme == OWN_SCHEME:
        return {label: label for label in LABELS}
    path = Path(scheme)
    if not path.is_file():
        raise InputError(f"--scheme {scheme}: neither '{OWN_SCHEME}' nor a file; name a BIDS dseg.tsv with columns "
                         "index and abbreviation")
    known = {abbreviation: label for label, abbreviation in ABBREVIATIONS.items()}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    try:
        table = {int(row["index"]): known[row["abbreviation"]] for row in rows}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: {error} is not readable, expected columns index and abbreviation, the latter one of "
                         f"{', '.join(known)}") from None
    return {0: 0} | table
