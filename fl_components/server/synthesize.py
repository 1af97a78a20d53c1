"""Synthesis of a release, from the generator and public knowledge alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from fl_components.anatomy.check import problems
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy
from fl_components.contrast import Contrast, paint
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import build_generator
from fl_components.networks.calibration import EXAMPLES, Calibration
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision, choose_precision
from fl_components.networks.render import render
from fl_components.networks.weights import load_weights
from fl_components.parallel import map_ahead
from fl_components.server.home import ServerHome
from fl_components.server.population import ContrastPopulation
from fl_components.server.release import ReleaseWriter
from fl_components.server.release_description import ReleaseMetadata
from fl_components.server.tumours import TRIES, TumourShares
from fl_components.study import Study
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet

_ATTEMPTS: Final = 10
_AHEAD: Final = 16
"""Anatomies that may wait for the generator: enough to keep many cores busy, little memory."""

_RELEASE, _PUBLIC = 1, 2
"""First words of the seeds of released volumes and of public subjects: two streams that never meet."""


def synthesize(home: ServerHome, study: Study, pool: Executor, on_volume: Callable[[int], None] | None = None,
               replace: bool = False, count: int | None = None) -> None:
    """Write the study's release.

    Anatomies come from the public sampler, contrasts from the sites' summaries or random protocols, as the study says;
    the generator is asked for them by its calibration, and no real mask is used. In a study that claims an ε, tumours
    are as large, of the kind and in the place as the noised histograms say. Volume k depends on the study's seed,
    the generator, the summaries and k alone, so a longer release begins with the shorter one (to the byte where
    processor and number of threads are the same: they order torch's sums). Volumes are written as they are made; one
    that was interrupted is gone on with.

    Args:
        home: where the generator and the population are.
        study: how many volumes, and the seed.
        pool: samples the anatomies in parallel.
        on_volume: called with the number of volumes done, at once if an interrupted writing left some.
        replace: whether an existing release may be replaced.
        count: of volumes, if not the study's.

    Raises:
        InputError: if there is no generator, or a release already and `replace` is false.
    """
    precision = choose_precision(study.training.precision)
    generator = trained_generator(home, study, precision)
    summaries = read_json(home.population_file)
    population = ContrastPopulation.of_release(study, summaries)
    tumours = TumourShares.from_summaries(study, summaries)
    calibration = release_calibration(home, study, pool)
    n_sites = len(home.contributors(study))
    metadata = ReleaseMetadata(
        study=study.name, study_hash=study.hash, seed=study.seed, version=version("fedsynth"),
        generator_digest=_digest(home.generator_file),
        trained_on=f"{n_sites} simulated hospitals, which hold no real patient" if population.simulated
                   else f"the patients of {n_sites} hospitals, whose scans and masks stayed there",
        contrasts=study.synthesis.contrasts)
    count = count or study.synthesis.volumes
    made_with = {"precision": precision.name, "population": _digest(home.population_file),
                 "calibration": _digest(home.calibration_file)}
    with ReleaseWriter(home.release, study.grid, metadata, replace, made_with, count) as writer:
        if on_volume is not None and writer.done:
            on_volume(writer.done)
        wanted = range(writer.done, count)
        for done, (labels, words) in enumerate(
                _anatomies(study, _RELEASE, wanted, pool, tumours), writer.done + 1):
            contrast, noise = _look(population, labels, words)
            writer.add(render(generator, labels, calibration.asked(contrast), noise, precision), labels)
            if on_volume is not None:
                on_volume(done)


def trained_generator(home: ServerHome, study: Study, precision: Precision) -> Generator:
    """The run's generator, ready to render (InputError: there is none, or it is damaged)."""
    return precision.place(load_weights(build_generator(study), home.load_generator())).eval()


def release_calibration(home: ServerHome, study: Study, pool: Executor | None = None,
                        on_share: Callable[[float], None] = lambda _: None) -> Calibration:
    """What the generator is asked for in place of the release's contrasts, by the release's first volumes.

    Kept beside the generator; found anew for another generator, study or population.

    Args:
        home: where the generator and the population are.
        study: whose release it is.
        pool: samples the anatomies in parallel.
        on_share: called with the share of it done.

    Raises:
        InputError: if there is no generator or no population.
    """
    precision = choose_precision(study.training.precision)
    generator = trained_generator(home, study, precision)
    summaries = read_json(home.population_file)
    made_with = {"study": study.hash, "precision": precision.name, "generator": _digest(home.generator_file),
                 "population": _digest(home.population_file)}
    kept = read_json(home.calibration_file) if home.calibration_file.exists() else {}
    if kept.get("made_with") != made_with:
        population = ContrastPopulation.of_release(study, summaries)
        count, examples = min(EXAMPLES, study.synthesis.volumes), []
        tumours = TumourShares.from_summaries(study, summaries)
        for done, (labels, words) in enumerate(_anatomies(study, _RELEASE, range(count), pool, tumours), 1):
            examples.append((labels, _look(population, labels, words)[0]))
            on_share(done / count / 2)
        found = Calibration.of(generator, examples, precision, lambda share: on_share((1 + share) / 2))
        kept = {"made_with": made_with, "shift": found.shift.tolist()}
        write_json(home.calibration_file, kept)
    return Calibration(np.array(kept["shift"], np.float32))


def released_anatomy(study: Study, number: int, summaries: Mapping[str, Any]) -> SampledAnatomy:
    """The anatomy of volume `number` (from 1) of the study's release, with all that is known of how it was made.

    Args:
        study: that was released.
        number: of the volume.
        summaries: of its sites, as they lie in the server's folder.
    """
    return _drawn(study, [study.seed, _RELEASE, number - 1], TumourShares.from_summaries(study, summaries))


def released_look(study: Study, number: int, population: ContrastPopulation,
                  labels: np.ndarray) -> tuple[Contrast, torch.Generator]:
    """Contrast as it is to come out, and noise, of volume `number`, for its anatomy or one that is to look alike."""
    return _look(population, labels, [study.seed, _RELEASE, number - 1, 0])


def public_subjects(home: ServerHome, study: Study, count: int) -> ImageSet:
    """Subjects of the public simulator: sampled anatomies painted with drawn contrasts, float32 with label maps.

    No scan went into them; the audit calibrates its distances by them.
    """
    population = ContrastPopulation.from_summaries(study, read_json(home.population_file))
    drawn = [(labels, paint(labels, population.draw(labels, np.random.default_rng(words))))
             for labels, words in _anatomies(study, _PUBLIC, range(count))]
    anatomies, painted = zip(*drawn, strict=True)
    return ImageSet(np.stack(painted), np.stack(anatomies))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _anatomies(study: Study, stream: int, numbers: Iterable[int], pool: Executor | None = None,
               tumours: TumourShares | None = None) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Anatomies with the words that seed everything else about them."""
    words = [[study.seed, stream, k] for k in numbers]
    sample = partial(_sample, study, tumours)
    sampled = map_ahead(pool, sample, words, _AHEAD) if pool else map(sample, words)
    yield from zip(sampled, ([*w, 0] for w in words), strict=True)


def _look(population: ContrastPopulation, labels: np.ndarray, words: list[int]) -> tuple[Contrast, torch.Generator]:
    rng = np.random.default_rng(words)
    contrast = population.draw(labels, rng)
    return contrast, torch.Generator().manual_seed(int(rng.integers(2**62)))


def _sample(study: Study, tumours: TumourShares | None, words: list[int]) -> np.ndarray:
    return _drawn(study, words, tumours).labels


def _drawn(study: Study, words: list[int], tumours: TumourShares | None) -> SampledAnatomy:
    """An anatomy; with a tumour, one that the sites' histograms take if they are known."""
    rng, sampler = np.random.default_rng(words), AnatomySampler(study.grid)
    drawn = _plausible(study, lambda: sampler.sample(rng, tumour=bool(rng.random() < study.synthesis.tumour_share)))
    if tumours is not None and drawn.tumour is not None:
        for _ in range(TRIES):
            if tumours.takes(drawn.labels, study.grid.spacing_mm, rng.random()):
                break
            drawn = _plausible(study, partial(sampler.another_tumour, rng, drawn))
    return drawn


def _plausible(study: Study, draw: Callable[[], SampledAnatomy]) -> SampledAnatomy:
    """An anatomy that could be a brain; one that could not is drawn again."""
    wrong: list[str] = []
    for _ in range(_ATTEMPTS):
        drawn = draw()
        if not (wrong := problems(drawn.labels, study.grid)):
            return drawn
    raise InputError(f"study '{study.name}': {_ATTEMPTS} sampled anatomies in a row could not be a brain ({wrong[0]}); "
                     "expected a grid that holds and resolves one, change its shape or spacing_mm")
