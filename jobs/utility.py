"""The augmentation table in its quickest form, for the demo's report: synthetic only beside real.

One segmenter, one seed, few steps and test subjects, minutes of two cores. The whole table, with its seeds,
is `make utility`; at hospitals it is `fedsynth evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.cohort.cohort import Cohort
from fl_components.cohort.subject import Subject
from fl_components.evaluation.admissible import released_volumes, require_disjoint, require_tests
from fl_components.evaluation.compare import difference, mean_score
from fl_components.evaluation.public_images import public_subject
from fl_components.evaluation.realism.bad import painted
from fl_components.evaluation.scores import Scores, score_subjects
from fl_components.evaluation.training_sets import Phase, phase_batches, synthetic_subjects
from fl_components.json_file import read_json, write_json
from fl_components.networks.precision import choose_precision
from fl_components.server.population import ContrastPopulation
from fl_components.server.release_manifest import release_digest
from fl_components.study import Augmentation, Study
from fl_components.training.segment import Stage, train_segmenter
from fl_components.vocabulary import REGIONS
from jobs.output import Advance, Talk
from jobs.run_folder import RunFolder
from privacy_eval.report import Table

STEPS: Final = 200
TESTS: Final = 8
"""Test subjects a site."""
REAL: Final = "the hospitals' members"
RELEASE: Final = "the release alone"
LOOKUP: Final = "the lookup table's images of its anatomies"
HEADINGS: Final = ("trained on", "n", *(f"Dice, {region}" for region in REGIONS),
                   *(f"minus real, {region}" for region in REGIONS))


def quick_file(run: RunFolder) -> Path:
    """Where the rows are kept with the release that they are of."""
    return run.path / "utility" / "quick.json"


def measure_quickly(run: RunFolder, talk: Talk, steps: int = STEPS, tests: int = TESTS) -> None:
    """Train a segmenter on each, test it on the hospitals' test subjects, and keep the rows for the report.

    Args:
        run: with prepared simulated hospitals and a release.
        talk: progress.
        steps: of each training.
        tests: test subjects a site, at most.

    Raises:
        InputError: if a site has too few test subjects, or the release is not this study's.
    """
    study = run.study()
    cohorts = {site.name: Cohort.load(site, study) for site in run.sites(study)}
    held = {name: list(islice(cohort.subjects("test"), tests)) for name, cohort in cohorts.items()}
    members = {name: list(cohort.subjects("members")) for name, cohort in cohorts.items()}
    released = synthetic_subjects([(volume.images, volume.labels) for volume in released_volumes(run.release, study)])
    require_tests(held)
    require_disjoint(members | {"the release": released}, held)
    sets = {REAL: [subject for subjects in members.values() for subject in subjects], RELEASE: released,
            LOOKUP: painted(released),
            "the public simulator's images of its anatomies": _publicly(run, study, released)}
    subjects = [subject for part in held.values() for subject in part]
    found: dict[str, Scores] = {}
    with talk.stage(f"What the images are worth: {len(sets)} segmenters of {steps} steps") as advance:
        for name, trained_on in sets.items():
            share = partial(_advance, advance, name, len(found) / len(sets), 1 / len(sets))
            found[name] = train_and_score(study, trained_on, subjects, steps, share)
    owners = np.array([site for site, part in held.items() for _ in part])
    write_json(quick_file(run), {"release": release_digest(run.release), "steps": steps, "rows": _rows(found, owners),
                                 "means": _means(found, owners)})


def kept_quickly(run: RunFolder) -> dict[str, Any] | None:
    """What `measure_quickly` kept: `rows` of the table, `means` over the regions by row, and `steps`; None if there is
    nothing, or it is of another release."""
    kept: dict[str, Any] = read_json(quick_file(run)) if quick_file(run).exists() else {}
    return kept if kept.get("release") == release_digest(run.release) else None


def utility_table(run: RunFolder) -> Table | None:
    """The kept rows, if there are any of this release."""
    kept = kept_quickly(run)
    if kept is None:
        return None
    return Table(
        "What the images are worth: a segmenter's Dice on test subjects of simulated hospitals", HEADINGS,
        [tuple(row) for row in kept["rows"]],
        f"Quick form: one SegResNet of {kept['steps']} steps with usual augmentation for each row, one seed, means "
        "over test subjects with paired 95 % intervals (bootstrap over subjects within sites). So short a training "
        "also tells how fast a set is learned: easy images can lie above real ones. 'make utility' trains longer, with "
        "more seeds. A generator that does not beat the lookup table and the public simulator there has learned "
        "nothing that is worth the patients' data.")


def _advance(advance: Advance, name: str, before: float, part: float, share: float) -> None:
    advance(before + part * share, name)


def _publicly(run: RunFolder, study: Study, subjects: Sequence[Subject]) -> list[Subject]:
    population = ContrastPopulation.of_release(study, read_json(run.server.population_file))
    rng = np.random.default_rng(study.seed)
    return [public_subject(subject.labels, population, study.grid, rng) for subject in subjects]


def train_and_score(study: Study, trained_on: Sequence[Subject], tests: Sequence[Subject], steps: int,
                    on_share: Callable[[float], None], seed: int = 0) -> Scores:
    """Dice of a SegResNet trained with usual augmentation, on the study's grid.

    Args:
        study: grid, precision and augmentation.
        trained_on: subjects, real or synthetic.
        tests: subjects it is tested on.
        steps: of the training.
        on_share: called with the share of them done.
        seed: of everything drawn.
    """
    precision = choose_precision(study.training.precision)
    network = train_segmenter("segresnet", phase_batches(Phase(("real",)), trained_on, [], seed), Stage(steps),
                              study.training.augmentation or Augmentation(), study.grid, precision, seed,
                              lambda done: on_share(done / steps))
    return score_subjects(network, tests, study.grid, precision, distances=False)


def _rows(found: dict[str, Scores], owners: np.ndarray) -> list[list[str]]:
    rows = []
    for name, scores in found.items():
        means = [_told(mean_score, scores.dice[region], owners=owners) for region in REGIONS]
        against = ["–" if name == REAL else _told(difference, scores.dice[region], found[REAL].dice[region],
                                                  owners=owners) for region in REGIONS]
        rows.append([name, str(len(owners)), *means, *against])
    return rows


def _means(found: dict[str, Scores], owners: np.ndarray) -> dict[str, dict[str, Any]]:
    """Dice over the regions that a subject has, by row; none where fewer than two subjects have one."""
    means = {}
    for name, scores in found.items():
        regions = np.stack([scores.dice[region] for region in REGIONS])
        known = (~np.isnan(regions)).any(axis=0)
        if np.count_nonzero(known) >= 2:
            means[name] = mean_score(np.nanmean(regions[:, known], axis=0), owners[known]).as_dict()
    return means


def _told(compare: Callable[..., Any], *values: np.ndarray, owners: np.ndarray) -> str:
    """An interval in words; fewer than two subjects with the region tell nothing."""
    if np.count_nonzero(~np.isnan(values[0])) < 2:
        return "too few subjects"
    told = compare(*values, owners)
    return f"{told.estimate:.3f} ({told.low:.3f} to {told.high:.3f})"
