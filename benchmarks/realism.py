"""How real the generator's release looks beside the hospitals' scans, at each site and over all of them.

Rows: the release; the same anatomies and contrasts rendered by the generator that was trained on public anatomies
alone; the public simulator's own images; other subjects of the hospitals, mixed as the release is (the floor: what a
perfect generator would get); and those subjects with one defect each (`fl_components.evaluation.realism.bad`).

Compared with each site's holdout and test subjects, never trained on. Figures are stratified over sites, with 95 %
intervals over subjects. Pictures of profiles and spectra are drawn into docs/images/realism.

    python -m benchmarks.realism [RUN] [--real 40] [--synthetic 60]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Final

import numpy as np

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import Hospitals, all_simulated, load_hospitals
from benchmarks.realism_picture import draw_profiles, draw_spectra
from benchmarks.results import write_result
from benchmarks.simulator_gap import public_subject
from fl_components.cohort.subject import Subject
from fl_components.contrast import measure_contrast
from fl_components.evaluation.realism.answer import (
    FRECHETS,
    HISTOGRAMS,
    MMDS,
    PROFILES,
    REALISM_MEASURES,
    SIMILAR_REAL,
    SIMILAR_SYNTHETIC,
    SPECTRA,
    RealismStatistics,
    combine_realism,
)
from fl_components.evaluation.realism.bad import BAD
from fl_components.evaluation.realism.description import Description
from fl_components.evaluation.realism.site import compare_sets
from fl_components.json_file import read_json
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import render_as_drawn
from fl_components.networks.precision import choose_precision
from fl_components.networks.public_start import begin_publicly
from fl_components.server.population import ContrastPopulation
from fl_components.server.release import read_release
from fl_components.server.synthesize import released_look
from fl_components.study import Study
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

OURS, PUBLIC_START, SIMULATOR, FLOOR = "our release", "publicly trained generator", "public simulator", "real, others"
GROUPS: Final = {"profile": PROFILES, "frechet": FRECHETS, "mmd": MMDS, "ms_ssim_synthetic": SIMILAR_SYNTHETIC,
                 "ms_ssim_real": SIMILAR_REAL, "histogram": HISTOGRAMS, "spectrum": SPECTRA}
"""Figures of a table's row: means over sequences (and the joint view)."""


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--real", type=at_least_one, default=40, help="subjects a site, of test and then of holdout")
    parser.add_argument("--synthetic", type=at_least_one, default=60, help="subjects of every generator")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Compare every set with every site's subjects, write the result and the pictures."""
    run, talk = arguments.run, Talk()
    study = run.study()
    test, holdout = (load_hospitals(run, part, arguments.real) for part in ("test", "holdout"))
    real = {site: [*test[site], *holdout[site]][:arguments.real] for site in test}
    sets = synthetic_sets(run, study, load_hospitals(run, "members", arguments.synthetic),
                          arguments.synthetic, talk)
    rng = np.random.default_rng([study.seed, 17])
    answers: dict[str, dict[str, RealismStatistics]] = {}
    with talk.stage("Comparing with each site's scans") as advance:
        described = {site: Description.of(subjects, study.grid.spacing_mm, rng) for site, subjects in real.items()}
        for done, (name, synthetic) in enumerate(sets.items(), 1):
            made = Description.of(synthetic, study.grid.spacing_mm, rng)
            answers[name] = {site: compare_sets(one, made, rng) for site, one in described.items()}
            advance(done / len(sets), name)
    everybody = list(chain.from_iterable(real.values()))
    draw_profiles({"real": everybody, **sets}, study.grid.spacing_mm)
    draw_spectra({"real": everybody, **sets}, study.grid.spacing_mm)
    write_result("realism", summarise(answers), {
        **{f"real {site}": len(subjects) for site, subjects in real.items()}, "synthetic": arguments.synthetic},
        study_hash=study.hash, simulated=all_simulated(run))
    _tell(answers, talk)
    return 0


def synthetic_sets(run: RunFolder, study: Study, members: Hospitals, number: int,
                   talk: Talk) -> dict[str, list[Subject]]:
    """What is compared with the sites' scans, by name; the bad ones are made from the floor.

    Raises:
        InputError: if there is no release, or it holds fewer volumes than asked for.
    """
    release = release_subjects(run, number)
    if len(release) < number:
        raise InputError(f"{run.release}: {len(release)} volumes, expected {number}; lower --synthetic")
    population = ContrastPopulation.of_release(study, read_json(run.server.population_file))
    sets = {OURS: release}
    try:
        sets[PUBLIC_START] = rendered_publicly(study, release, population)
    except InputError as error:
        talk.say(f"left out: {error}")
    rng = np.random.default_rng([study.seed, number])
    sets[SIMULATOR] = [public_subject(subject.labels, population, study.grid, rng) for subject in release]
    sets[FLOOR] = mixed(study, members, number)
    return sets | {name: make(sets[FLOOR]) for name, make in BAD.items()}


def release_subjects(run: RunFolder, number: int) -> list[Subject]:
    """The release's first volumes as subjects."""
    return [Subject(volume.name, volume.images, volume.labels, measure_contrast(volume.images, volume.labels))
            for volume in islice(read_release(run.release), number)]


def rendered_publicly(study: Study, release: Sequence[Subject], population: ContrastPopulation) -> list[Subject]:
    """The release's anatomies, contrasts and noise, rendered by the publicly trained generator (InputError: none)."""
    precision = choose_precision(study.training.precision)
    generator = precision.place(begin_publicly(build_generator(study), "generator", study.network)).eval()
    looks = [released_look(study, number, population, subject.labels) for number, subject in enumerate(release, 1)]
    examples = [(subject.labels, contrast) for subject, (contrast, _) in zip(release, looks, strict=True)]
    made = render_as_drawn(generator, examples, [noise for _, noise in looks], precision)
    return [replace(subject, images=images, contrast=measure_contrast(images, subject.labels))
            for subject, images in zip(release, made, strict=True)]


def mixed(study: Study, hospitals: Hospitals, number: int) -> list[Subject]:
    """Subjects of all sites in the study's shares, as a release mixes their contrasts."""
    counts = {site: round(number * study.weight(site)) for site in hospitals}
    return [subject for site, subjects in hospitals.items() for subject in subjects[:counts[site]]]


def summarise(answers: dict[str, dict[str, RealismStatistics]]) -> dict[str, Any]:
    """By set: a row of means over sequences ("table"), every measure ("measures"), and AUCs a site ("sites")."""
    table, measures, sites = {}, {}, {}
    for name, found in answers.items():
        combined = combine_realism(list(found.values()))
        table[name] = {**{key: _interval(*_mean(combined, names)) for key, names in GROUPS.items()},
                       **{key: _interval(combined.values[key].value, combined.interval(key))
                          for key in ("rim.auc", "volume.auc")}}
        measures[name] = {key: _interval(combined.values[key].value, combined.interval(key))
                          for key in REALISM_MEASURES if key in combined.values}
        sites[name] = {site: {key: _interval(answer.values[key].value, answer.interval(key))
                              for key in ("rim.auc", "volume.auc")} for site, answer in found.items()}
    return {"table": table, "measures": measures, "sites": sites}


def _mean(combined: RealismStatistics, names: Iterable[str]) -> tuple[float, tuple[float, float]]:
    found = combined.mean_of(list(names))
    return found.value, found.interval()


def _interval(value: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {"mean": value, "low": bounds[0], "high": bounds[1]}


def _tell(answers: dict[str, dict[str, RealismStatistics]], talk: Talk) -> None:
    for name, row in summarise(answers)["table"].items():
        talk.say(f"{name:28s} " + ", ".join(f"{key} {cell['mean']:.3f} ({cell['low']:.3f} to {cell['high']:.3f})"
                                            for key, cell in row.items()))


if __name__ == "__main__":
    sys.exit(main())
