"""What edits of anatomies do against what they were asked to do.

    python -m benchmarks.edits [RUN]

For sampled anatomies of the demo's grid, and for the same as if they were given (labels alone, nothing known of how
they were made), each kind of edit is made once: volume and distance asked and made, the share of the brain's voxels
whose label changed beyond the edit's reach (20 mm around the tumour before and after), fluid of the ventricles after
over before. Edits that are refused are counted. With a trained run, the share of voxels changed beyond reach in the
images too, and one picture of each kind in docs/images/edits.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.arguments import run_benchmark
from benchmarks.intervals import interval_of_mean
from benchmarks.results import write_result
from fl_components.anatomy.check import problems
from fl_components.anatomy.edit.apply import Edited, apply_edits
from fl_components.anatomy.edit.head import Head
from fl_components.anatomy.edit.measure import images_changed_beyond_reach
from fl_components.anatomy.edit.model import EditFile
from fl_components.anatomy.edit.source import head_of_labels, head_of_sample
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy
from fl_components.json_file import read_json
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render_pair
from fl_components.server.population import ContrastPopulation
from fl_components.server.synthesize import trained_generator
from fl_components.study import PRESETS, Grid
from fl_components.vocabulary import BACKGROUND, TUMOUR
from jobs.edit_gallery import edit_gallery
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

ANATOMIES: Final = 20
RENDERED: Final = 6
SEED: Final = 5
PICTURES: Final = Path(__file__).parent.parent / "docs" / "images" / "edits"
Draw = Callable[[np.random.Generator, Head], dict[str, Any]]


def _move(rng: np.random.Generator, head: Head) -> dict[str, Any]:
    direction = rng.standard_normal(3)
    vector = rng.uniform(10, 30) * direction / np.linalg.norm(direction)
    return {"edit": "move", "by_mm": [float(value) for value in vector]}


def _hemisphere(rng: np.random.Generator, head: Head) -> dict[str, Any]:
    left = head.pushed.template_mm[0][head.stamps[0] > 0].mean() < 0
    return {"edit": "move", "to": "right hemisphere" if left else "left hemisphere"}


def _compose(rng: np.random.Generator, head: Head) -> dict[str, Any]:
    necrosis, enhancement, oedema = rng.dirichlet((2, 3, 5))
    return {"edit": "compose", "necrosis": float(necrosis), "enhancement": float(enhancement), "oedema": float(oedema)}


def _transplant(rng: np.random.Generator, head: Head) -> dict[str, Any]:
    return {"edit": "transplant", "tumour": {"volume_ml": float(rng.uniform(5, 80)), "necrosis": 0.1,
                                             "enhancement": 0.2, "oedema": 0.7}}


KINDS: Final[dict[str, Draw]] = {
    "move": _move, "move to the other hemisphere": _hemisphere,
    "grow": lambda rng, head: {"edit": "resize", "factor": float(rng.uniform(1.2, 2.0))},
    "shrink": lambda rng, head: {"edit": "resize", "factor": float(rng.uniform(0.3, 0.8))},
    "compose": _compose, "transplant": _transplant,
    "add a focus": lambda rng, head: {"edit": "add_focus", "volume_ml": float(rng.uniform(3, 20))},
    "remove": lambda rng, head: {"edit": "remove"},
}


def measure(kind: str, heads: list[Head], origin: str) -> dict[str, Any]:
    """One row: the edit made on every head that allows it."""
    rows: list[dict[str, Any]] = []
    refused = 0
    for number, head in enumerate(heads):
        rng = np.random.default_rng([SEED, number])
        start = head.with_lesions(()) if kind == "transplant" else head
        began = time.perf_counter()
        try:
            edited = _edited(start, KINDS[kind](rng, start), number)
        except InputError:
            refused += 1
            continue
        rows.append(_row(edited, time.perf_counter() - began))
    found = {name: interval_of_mean(np.array([row[name] for row in rows if name in row]))
             for name in sorted({name for row in rows for name in row})}
    return {"edit": kind, "anatomies": origin, "made": len(rows), "refused": refused,
            **{name: found.get(name, "") for name in ("volume_error_ml", "missed_mm", "changed_beyond_reach",
                                                      "ventricles", "plausible", "seconds")}}


def _edited(head: Head, edit: dict[str, Any], seed: int) -> Edited:
    return apply_edits(head, EditFile.parse({"seed": seed, "edits": [edit]}, "benchmark"), _no_donor)


def _no_donor(name: str) -> np.ndarray:
    raise InputError(f"donor {name}: none here")


def _row(edited: Edited, seconds: float) -> dict[str, float]:
    measures, after = edited.measures[0], edited.states[-1]
    row = {"changed_beyond_reach": measures["changed_beyond_reach"], "seconds": seconds,
           "ventricles": measures["ventricles_ml"]["after"] / max(measures["ventricles_ml"]["before"], 0.1),
           "plausible": float(not problems(after.labels, after.grid))}
    if "missed_mm" in measures:
        row["missed_mm"] = measures["missed_mm"]
    asked = measures.get("asked_ml", 0.0 if measures["edit"] == "remove" else measures["tumour_ml"]["before"])
    made = measures.get("made_ml", measures["tumour_ml"]["after"])
    row["volume_error_ml"] = abs(made - asked)
    return row


def restoring(samples: list[SampledAnatomy], grid: Grid) -> dict[str, Any]:
    """Removal where nothing is known: share of voxels that are as in the true healthy brain, against doing nothing.

    `below`: of those that the tumour took; `around`: of the rest, restored and left as it was; `push_error`: of the
    push estimated, as a share of the core's radius; against always assuming the mean (`push_error_mean`).
    """
    rows = []
    for drawn in samples:
        given, known = head_of_labels(drawn.labels, grid), head_of_sample(drawn, grid)
        restored, truth = given.with_lesions(()).labels, drawn.healthy.labels()
        tumour = np.isin(drawn.labels, TUMOUR)
        around = ~tumour & (truth != BACKGROUND)
        true_share = known.lesions[0].biology.push_share
        rows.append(((restored == truth)[tumour].mean(), (restored == truth)[around].mean(),
                     (drawn.labels == truth)[around].mean(),
                     abs(given.lesions[0].biology.push_share - true_share), abs(0.275 - true_share)))
    names = ("below", "around", "around_left_alone", "push_error", "push_error_mean")
    return dict(zip(names, map(interval_of_mean, np.array(rows).T), strict=True))


def rendered(run: RunFolder, samples: list[SampledAnatomy]) -> list[dict[str, Any]]:
    """Share of the brain's voxels beyond reach that the edit changed in the images."""
    import torch

    study = run.study()
    precision = choose_precision(study.training.precision)
    generator = trained_generator(run.server, study, precision)
    population = ContrastPopulation.from_summaries(study, read_json(run.server.population_file))
    rows = []
    for kind in KINDS:
        shares = []
        for number, drawn in enumerate(samples):
            head = head_of_sample(drawn, study.grid)
            start = head.with_lesions(()) if kind == "transplant" else head
            try:
                edited = _edited(start, KINDS[kind](np.random.default_rng([SEED, number]), start), number)
            except InputError:
                continue
            pair = edited.before, edited.after
            contrast = population.draw(np.concatenate(pair), np.random.default_rng(number))
            images = render_pair(generator, *pair, contrast, torch.Generator().manual_seed(number), precision)
            shares.append(images_changed_beyond_reach(images, *pair, study.grid.spacing_mm))
        rows.append({"edit": kind, "changed": interval_of_mean(np.array(shares))})
    return rows


def samples_with_tumour(grid: Grid, count: int) -> Iterator[SampledAnatomy]:
    """Plausible sampled anatomies."""
    seed = 0
    while count:
        drawn = AnatomySampler(grid).sample(np.random.default_rng([SEED, 99, seed]))
        seed += 1
        if not problems(drawn.labels, grid):
            count -= 1
            yield drawn


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=lambda text: RunFolder(Path(text)), help="a trained run folder")
    return run_benchmark(parser, measure_all)


def measure_all(arguments: argparse.Namespace) -> int:
    """Measure and write the result."""
    run: RunFolder | None = arguments.run
    grid = Grid(**PRESETS["tiny"]["grid"])
    samples = list(samples_with_tumour(grid, ANATOMIES))
    sources = {"sampled": [head_of_sample(drawn, grid) for drawn in samples],
               "given": [head_of_labels(drawn.labels, grid) for drawn in samples]}
    figures: dict[str, Any] = {"edits": [measure(kind, heads, origin) for kind in KINDS
                                         for origin, heads in sources.items()],
                               "restoring": restoring(samples, grid)}
    if run is not None:
        figures["rendered"] = rendered(run, samples[:RENDERED])
        edit_gallery(run, PICTURES)
    counts = {"anatomies": ANATOMIES} | ({} if run is None else {"rendered": RENDERED})
    write_result("edits", figures, counts, study_hash=None if run is None else run.study().hash, simulated=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
