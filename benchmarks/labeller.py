"""The labeller against the mixture: Dice of each tissue on simulated hospitals, with sequences missing.

Scans of a run's hospitals, prepared as every scan is, their tumour masks given; the truth is the simulator's. Neither
labeller nor mixture has seen a hospital, and the hospitals hold what the labeller's training knows nothing of: nuclei,
lesions of age, scars, vessels, skull left by the stripping. Without the mask the labeller finds the tumour too.

A real patient has no truth but the mask of its tumour: shares of the brain, against published ones, and that Dice.

    python -m benchmarks.labeller [RUN] [--subjects N] [--real FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated
from benchmarks.intervals import interval_of_mean
from benchmarks.results import quartiles, write_result
from fl_components.cohort.case import Case
from fl_components.cohort.cohort import site_cases
from fl_components.cohort.labelling import Labels, likeliest
from fl_components.cohort.layout import find_cases, read_scan
from fl_components.cohort.prepare import normalise, place_labels, place_scan
from fl_components.cohort.tissue import label_tissues
from fl_components.cohort.volume import read_volume
from fl_components.networks.labeller import shipped_labeller
from fl_components.site import Site
from fl_components.study import Grid
from fl_components.vocabulary import ABBREVIATIONS, ENHANCING, HEALTHY, NECROTIC, SEQUENCES, TUMOUR
from jobs.output import Talk
from jobs.workers import worker_pool

SUBSETS: Final = {
    "all four": SEQUENCES, "T1, T2, FLAIR": ("T1", "T2", "FLAIR"), "T1ce, T2, FLAIR": ("T1ce", "T2", "FLAIR"),
    "T1, T1ce, T2": ("T1", "T1ce", "T2"), "T1, FLAIR": ("T1", "FLAIR"), "T1 alone": ("T1",), "T1ce alone": ("T1ce",),
    "T2 alone": ("T2",), "FLAIR alone": ("FLAIR",)}
"""Which sequences are there."""
REGIONS: Final = {"whole tumour": TUMOUR, "core": (NECROTIC, ENHANCING), "enhancing": (ENHANCING,)}
PUBLISHED: Final = {"CSF": (0.187, 0.337), "GM": (0.317, 0.443), "WM": (0.290, 0.445)}
"""Shares of the intracranial volume of healthy adults, 21 to 92 years, n = 133 (Yamada et al., Eur. Radiol. 2023).

CSF: means of the twenties and of those above 80. Of their table 1, grey matter is at least the cortex and at most the
brain without cerebral white matter and brainstem; white matter at least the cerebral, at most the brain without cortex.
"""

Files = tuple[Case, str | None, Path | None]
"""A case, its dialect, and the file of its true anatomy."""
Found = dict[str, dict[str, list[float]]]


class Patient(NamedTuple):
    """A scan on the study's grid: `images` (4, X, Y, Z) normalised, `brain`, given `tumour`, `truth` (0 if unknown)."""

    images: np.ndarray
    brain: np.ndarray
    tumour: np.ndarray
    truth: np.ndarray


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--subjects", type=at_least_one, default=15, help="of each site")
    parser.add_argument("--real", type=Path, default=Path(__file__).parents[1].parent / "shared/data/tcga-lgg",
                        help="a folder of real cases in the layout of BraTS; skipped if missing")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Label everybody in every way, write the result."""
    run, talk = arguments.run, Talk()
    study = run.study()
    cases = [case for site in run.sites(study) for case in site_files(site, arguments.subjects)]
    found: list[Found] = []
    with talk.stage(f"Labelling {len(cases)} simulated patients") as advance, worker_pool() as pool:
        for found_here in pool.map(partial(label_case, grid=study.grid), cases):
            found.append(found_here)
            advance(len(found) / len(cases), "")
    figures: dict[str, Any] = {"sequences": {name: _tissues(found, name) for name in SUBSETS},
                               "tumours": {name: _tumours(found, name) for name in SUBSETS}}
    timed = [read_patient(*case, study.grid) for case in cases[:10]]
    figures["milliseconds"] = {name: _milliseconds(timed, name, study.grid.spacing_mm) for name in METHODS}
    figures["weights_sha256"] = shipped_labeller().digest
    n = {"subjects": len(cases)}
    if arguments.real.is_dir():
        real = [read_patient(case, "brats2020", None, study.grid) for case in find_cases(arguments.real)]
        figures["real"] = shares(real, study.grid.spacing_mm)
        figures["real_tumour"] = {name: real_tumour(real, there, study.grid.spacing_mm)
                                  for name, there in SUBSETS.items()}
        n["real patients"] = len(real)
    write_result("labeller", figures, n, study_hash=study.hash, simulated=all_simulated(run))
    return 0


def site_files(site: Site, limit: int) -> list[Files]:
    """The first cases of a simulated hospital, their dialect, and the file of the simulator's truth."""
    truth = site.data.root.parent / "truth"
    return [(case, site.data.dialect, truth / f"{case.name}_dseg.nii.gz") for case in site_cases(site)[:limit]]


def read_patient(case: Case, dialect: str | None, truth: Path | None, grid: Grid) -> Patient:
    """A case on the grid, normalised; and its true anatomy, if there is one."""
    scan = read_scan(case, dialect)
    placed = place_scan(case, scan, grid)
    labels = np.zeros(grid.shape, np.uint8)
    if truth is not None:
        labels = place_labels(case, scan, read_volume(truth)[0].astype(np.uint8), grid)
    return Patient(normalise(placed.images, placed.brain, case), placed.brain, placed.labels, labels)


def by_mixture(patient: Patient, available: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The mixture, whatever it makes of sequences that are 0."""
    return label_tissues(patient.images * available[:, None, None, None], patient.brain, patient.tumour, spacing_mm)


def by_labeller(patient: Patient, available: np.ndarray, spacing_mm: float, masked: bool = True) -> np.ndarray:
    """The labeller, told the tumour or not."""
    tumour = patient.tumour if masked else np.zeros_like(patient.tumour)
    return Labels("labeller").label(patient.images * available[:, None, None, None], available, patient.brain, tumour,
                                    masked, spacing_mm)


METHODS: Final = {"labeller": by_labeller, "mixture": by_mixture}


def label_case(files: Files, grid: Grid) -> Found:
    """By method, "labeller", "mixture" and "tumour", and by sequences: Dice of each tissue, or of the tumour's regions.

    Of the tumour the labeller is not told. Without T1 and T2 the mixture has nothing to begin with, and is left out.
    """
    patient = read_patient(*files, grid)
    found: Found = {"labeller": {}, "mixture": {}, "tumour": {}}
    for name, there in SUBSETS.items():
        available = np.array([sequence in there for sequence in SEQUENCES])
        probabilities = shipped_labeller().probabilities(patient.images, available)
        told = likeliest(probabilities, patient.brain, patient.tumour, True)
        found["labeller"][name] = _tissue_dice(told, patient.truth)
        untold = likeliest(probabilities, patient.brain, np.zeros_like(patient.tumour), False)
        found["tumour"][name] = [dice(np.isin(untold, region), np.isin(patient.truth, region))
                                 for region in REGIONS.values()]
        if "T1" in there or "T2" in there:
            found["mixture"][name] = _tissue_dice(by_mixture(patient, available, grid.spacing_mm), patient.truth)
    return found


def _tissues(found: list[Found], name: str) -> dict[str, Any]:
    """Each method's mean Dice of each tissue."""
    rows: dict[str, Any] = {}
    for method in METHODS:
        values = np.array([case[method][name] for case in found if name in case[method]])
        if len(values):
            rows[method] = {ABBREVIATIONS[tissue]: interval_of_mean(column)
                            for tissue, column in zip(HEALTHY, values.T, strict=True)}
            rows[method]["mean"] = interval_of_mean(values.mean(axis=1))
    return rows


def _tumours(found: list[Found], name: str) -> dict[str, Any]:
    columns = np.array([case["tumour"][name] for case in found]).T
    return {region: interval_of_mean(column[np.isfinite(column)])
            for region, column in zip(REGIONS, columns, strict=True)}


def _tissue_dice(labels: np.ndarray, truth: np.ndarray) -> list[float]:
    return [dice(np.equal(labels, tissue), np.equal(truth, tissue)) for tissue in HEALTHY]


def shares(patients: list[Patient], spacing_mm: float) -> dict[str, Any]:
    """Tissues as shares of the brain outside the tumour, means over patients, beside the published range."""
    everything = np.ones(len(SEQUENCES), bool)
    t1 = np.array([name == "T1" for name in SEQUENCES])
    ways = {"labeller, all four": (by_labeller, everything), "labeller, T1 alone": (by_labeller, t1),
            "mixture, all four": (by_mixture, everything)}
    rows: dict[str, Any] = {}
    for name, (method, available) in ways.items():
        counts = np.mean([np.bincount(method(patient, available, spacing_mm).ravel(), minlength=7)[list(HEALTHY)]
                          for patient in patients], axis=0)
        rows[name] = {ABBREVIATIONS[tissue]: round(float(count / counts.sum()), 3)
                      for tissue, count in zip(HEALTHY, counts, strict=True)}
    rows["published"] = {tissue: f"{low:.3f} to {high:.3f}" for tissue, (low, high) in PUBLISHED.items()}
    return rows


def real_tumour(patients: list[Patient], there: tuple[str, ...], spacing_mm: float) -> dict[str, float]:
    """Mean Dice of the whole tumour, found by the labeller, with the given mask."""
    available = np.array([name in there for name in SEQUENCES])
    return {"whole tumour": float(np.mean([
        dice(np.isin(by_labeller(patient, available, spacing_mm, masked=False), TUMOUR), patient.tumour > 0)
        for patient in patients]))}


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Twice the common voxels over the sum; nan where the truth has none."""
    return 2 * float((found & truth).sum()) / float(found.sum() + truth.sum()) if truth.any() else float("nan")


def _milliseconds(patients: list[Patient], method: str, spacing_mm: float) -> dict[str, float]:
    times = []
    for patient in patients:
        start = time.thread_time()
        METHODS[method](patient, np.ones(len(SEQUENCES), bool), spacing_mm)
        times.append(1000 * (time.thread_time() - start))
    return quartiles(times)


if __name__ == "__main__":
    sys.exit(main())
