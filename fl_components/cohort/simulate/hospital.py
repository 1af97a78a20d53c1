"""A whole simulated site on disk, in the BraTS layout of up to 2022, its truth kept aside."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np

from fl_components.cohort.simulate.patient import POPULATIONS, Population, draw_population
from fl_components.cohort.simulate.scanner import NAMED, Scanner, draw_scanner
from fl_components.cohort.simulate.subject import SimulatedSubject, make_subject
from fl_components.vocabulary import BRATS_2020, SEQUENCES
from privacy_eval.errors import InputError

SIMULATOR_VERSION: Final = "4"
"""Raised whenever the same seed would give other files: older ones are then made again."""

DIALECT: Final = "brats2020"
"""Tumour labels on disk: 1 necrotic core, 2 oedema, 4 enhancing."""

SITE_NAMES: Final = ("north", "south", "east", "west", "harbour", "hill", "river", "forest", "lake", "meadow", "valley",
                     "island")
_UP_TO_FOUR: Final = (175, 125, 95, 80)
_MORE: Final = (110, 100, 95, 90, 86, 84, 82, 80, 79, 78, 78, 78)


@dataclass(frozen=True)
class SimulatedSite:
    """`data`: the BraTS folder; `truth`: folder of the true anatomies and records; `cases`: the subjects' names."""

    name: str
    data: Path
    truth: Path
    cases: tuple[str, ...]
    scanner: Scanner
    population: Population


def site_sizes(n_sites: int) -> list[int]:
    """Unequal numbers of subjects, every one at least 78, so that a 40 % share is at least 31.

    Raises:
        InputError: if there are not that many site names.
    """
    if not 1 <= n_sites <= len(SITE_NAMES):
        raise InputError(f"{n_sites} simulated sites asked for, expected 1 to {len(SITE_NAMES)}; choose fewer")
    return list((_UP_TO_FOUR if n_sites <= len(_UP_TO_FOUR) else _MORE)[:n_sites])


def site_profile(index: int, seed: int) -> tuple[Scanner, Population]:
    """The scanner and patients of a site: named ones for the first four, drawn for the others."""
    if index < len(NAMED):
        return NAMED[index], POPULATIONS[index]
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    return draw_scanner(rng), draw_population(rng)


def case_name(site: str, k: int) -> str:
    """Name of a site's k-th subject, k from 0: `north_001`."""
    return f"{site}_{k + 1:03d}"


def simulate_site(name: str, index: int, n_subjects: int, data: Path, truth: Path, seed: int,
                  on_done: Callable[[str], None] | None = None) -> SimulatedSite:
    """Make a site's subjects one after the other; those already made are left as they are.

    Args:
        name: the site's name, which starts its cases' names.
        index: the site's number, which chooses scanner and patients.
        n_subjects: how many subjects.
        data: folder of the volumes, `<data>/<case>/<case>_{t1,t1ce,t2,flair,seg}.nii.gz`.
        truth: folder of `<case>_dseg.nii.gz` (true anatomy) and `<case>.json` (parameters).
        seed: of the whole simulation.
        on_done: called with each case's name when it is there.
    """
    cases = []
    for k in range(n_subjects):
        cases.append(simulate_subject(name, index, k, data, truth, seed))
        if on_done is not None:
            on_done(cases[-1])
    scanner, population = site_profile(index, seed)
    return SimulatedSite(name, data, truth, tuple(cases), scanner, population)


def simulate_subject(site: str, index: int, k: int, data: Path, truth: Path, seed: int) -> str:
    """Make one subject unless its files of this version and seed are all there; returns the case's name.

    Depends on nothing but its arguments, so subjects can be made in any order and process.
    """
    case = case_name(site, k)
    identity = {"simulator": SIMULATOR_VERSION, "seed": [seed, index, k], "case": case}
    if _is_made(data, truth, identity):
        return case
    scanner, population = site_profile(index, seed)
    rng = np.random.default_rng(np.random.SeedSequence([seed, index, k]))
    subject = make_subject(rng, scanner, population)
    record_path = truth / f"{case}.json"
    record_path.unlink(missing_ok=True)
    files = _write_volumes(subject, case, data, truth)
    record = identity | {"scanner": scanner.name, "traits": asdict(subject.traits), "findings": subject.findings,
                         "bytes": {path.name: path.stat().st_size for path in files}}
    _write_atomically(record_path, (json.dumps(record, indent=1) + "\n").encode())
    return case


def _paths(data: Path, truth: Path, case: str) -> list[Path]:
    """The four sequences, the tumour mask and the true anatomy."""
    endings = [*(name.lower() for name in SEQUENCES), "seg"]
    return [*(data / case / f"{case}_{ending}.nii.gz" for ending in endings), truth / f"{case}_dseg.nii.gz"]


def _is_made(data: Path, truth: Path, identity: dict[str, Any]) -> bool:
    """Whether the record, which is written last, is of this identity and every file has its recorded size."""
    case = identity["case"]
    try:
        record = json.loads((truth / f"{case}.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    if not isinstance(record, dict) or any(record.get(key) != value for key, value in identity.items()):
        return False
    sizes = record.get("bytes", {})
    return all(path.is_file() and path.stat().st_size == sizes.get(path.name) for path in _paths(data, truth, case))


def _write_volumes(subject: SimulatedSubject, case: str, data: Path, truth: Path) -> list[Path]:
    mask = np.zeros_like(subject.mask)
    for on_disk, label in BRATS_2020.items():
        mask[subject.mask == label] = on_disk
    volumes = [*subject.images, mask, subject.labels]
    paths = _paths(data, truth, case)
    for path, volume in zip(paths, volumes, strict=True):
        _write_nifti(path, volume, subject.grid.spacing_mm)
    return paths


def _write_nifti(path: Path, volume: np.ndarray, spacing_mm: float) -> None:
    """Write a RAS volume as BraTS stores it, axes towards left, posterior, superior; same volume, same bytes."""
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    affine[1, 3] = (volume.shape[1] - 1) * spacing_mm
    image = nib.Nifti1Image(np.ascontiguousarray(volume[::-1, ::-1]), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    _write_atomically(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
