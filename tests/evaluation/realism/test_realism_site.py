"""At a site: every bad generator is seen by the measures that are meant to see it, and other subjects by none."""

from __future__ import annotations

import numpy as np
import pytest
from realism_case import REALISM_GRID, lifelike_subjects

from fl_components.cohort.subject import Subject
from fl_components.evaluation.realism.answer import (
    FRECHETS,
    HISTOGRAMS,
    MMDS,
    PROFILES,
    REALISM_MEASURES,
    RIM_AUC,
    SIMILAR_REAL,
    SIMILAR_SYNTHETIC,
    SPECTRA,
    VOLUME_AUC,
    RealismStatistics,
)
from fl_components.evaluation.realism.bad import BAD
from fl_components.evaluation.realism.description import Description
from fl_components.evaluation.realism.site import compare_sets, site_realism

N = 24


@pytest.fixture(scope="module")
def real() -> list[Subject]:
    return lifelike_subjects(range(N))


@pytest.fixture(scope="module")
def others() -> list[Subject]:
    return lifelike_subjects(range(100, 100 + N))


@pytest.fixture(scope="module")
def answers(real: list[Subject], others: list[Subject]) -> dict[str, RealismStatistics]:
    rng = np.random.default_rng(5)
    described = Description.of(real, REALISM_GRID.spacing_mm, rng)
    sets = {"others": others} | {name: make(others) for name, make in BAD.items()}
    return {name: compare_sets(described, Description.of(subjects, REALISM_GRID.spacing_mm, rng), rng)
            for name, subjects in sets.items()}


RIM, VOLUME = (RIM_AUC,), (VOLUME_AUC,)
SEES = {
    "blurred": (RIM, VOLUME, SPECTRA, FRECHETS, MMDS, PROFILES),
    "mode-collapsed": (SIMILAR_SYNTHETIC, VOLUME, FRECHETS, MMDS),
    "wrong contrast": (HISTOGRAMS, VOLUME, FRECHETS, MMDS),
    "lookup table": (RIM, VOLUME, FRECHETS, MMDS),
    "tumours pasted": (RIM,),
}
"""The figures, means over sequences as tables show them, that are meant to see each."""


@pytest.mark.parametrize("name", SEES)
def test_a_bad_generator_is_worse_than_other_subjects_by_each_figure_meant_to_see_it(
        name: str, answers: dict[str, RealismStatistics]) -> None:
    def distance(answer: RealismStatistics, names: tuple[str, ...]) -> float:
        ideal = {RIM: 0.5, VOLUME: 0.5, SIMILAR_SYNTHETIC: answer.mean_of(SIMILAR_REAL).value}.get(names, 0.0)
        return abs(answer.mean_of(names).value - ideal)

    for names in SEES[name]:
        assert distance(answers[name], names) > distance(answers["others"], names), names


def test_blur_lacks_fine_detail_and_is_told_by_both_detectors(answers: dict[str, RealismStatistics]) -> None:
    found = answers["blurred"]
    assert all(found.interval(name)[1] < 0 for name in SPECTRA)
    assert min(found.interval(name)[0] for name in (RIM_AUC, VOLUME_AUC)) > 0.6


def test_pasted_tumours_are_told_by_their_rim(answers: dict[str, RealismStatistics]) -> None:
    assert answers["tumours pasted"].interval(RIM_AUC)[0] > 0.6


def test_other_subjects_are_told_by_nothing(answers: dict[str, RealismStatistics]) -> None:
    found = answers["others"]
    assert set(found.values) == set(REALISM_MEASURES)
    for name in (RIM_AUC, VOLUME_AUC):
        assert found.interval(name)[0] <= 0.5 <= found.interval(name)[1]
    for name in (*SPECTRA, *MMDS):
        assert abs(found.values[name].value) < 3.5 * found.values[name].error, name
    for mine, theirs in zip(SIMILAR_SYNTHETIC, SIMILAR_REAL, strict=True):
        assert found.interval(mine)[0] < found.interval(theirs)[1]


def test_a_site_with_too_few_subjects_abstains_and_says_nothing(real: list[Subject]) -> None:
    found = site_realism(real[:19], real, REALISM_GRID.spacing_mm, np.random.default_rng(0))
    assert found.abstained
    assert not any(found.to_scalars().values())


def test_a_site_without_tumours_leaves_the_rim_out(real: list[Subject], others: list[Subject]) -> None:
    def healthy(subjects: list[Subject]) -> list[Subject]:
        return [Subject(s.name, s.images, np.where(s.labels > 3, 3, s.labels).astype(np.uint8), s.contrast)
                for s in subjects]

    found = site_realism(healthy(real), others, REALISM_GRID.spacing_mm, np.random.default_rng(0))
    assert RIM_AUC not in found.values
    assert not set(PROFILES) & set(found.values)
    assert set(SPECTRA) <= set(found.values)
    assert RealismStatistics.from_scalars("north", found.to_scalars()) == found
