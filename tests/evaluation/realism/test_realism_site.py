"""At a site: every bad generator is seen by the measures that are meant to see it, and other subjects by none."""

from __future__ import annotations

from collections.abc import Sequence

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
from fl_components.evaluation.realism.site import site_realism

N = 24


@pytest.fixture(scope="module")
def real() -> list[Subject]:
    return lifelike_subjects(range(N))


@pytest.fixture(scope="module")
def others() -> list[Subject]:
    return lifelike_subjects(range(100, 100 + N))


def answer(real: Sequence[Subject], synthetic: Sequence[Subject]) -> RealismStatistics:
    return site_realism(real, synthetic, REALISM_GRID.spacing_mm, np.random.default_rng(5))


@pytest.fixture(scope="module")
def answers(real: list[Subject], others: list[Subject]) -> dict[str, RealismStatistics]:
    return {"others": answer(real, others)} | {name: answer(real, make(others)) for name, make in BAD.items()}


SEES = {
    "blurred": (RIM_AUC, VOLUME_AUC, *SPECTRA, *FRECHETS, *MMDS),
    "mode-collapsed": (*SIMILAR_SYNTHETIC, VOLUME_AUC, *MMDS),
    "wrong contrast": (*HISTOGRAMS, VOLUME_AUC),
    "lookup table": (RIM_AUC, VOLUME_AUC, *FRECHETS, *MMDS),
    "tumours pasted": (RIM_AUC,),
}


@pytest.mark.parametrize("name", SEES)
def test_a_bad_generator_is_worse_than_other_subjects_by_each_measure_meant_to_see_it(
        name: str, answers: dict[str, RealismStatistics]) -> None:
    good, bad = answers["others"], answers[name]
    for measure in SEES[name]:
        ideal = 0.5 if measure in (RIM_AUC, VOLUME_AUC) else 0.0
        if measure in SIMILAR_SYNTHETIC:
            ideal = good.values[SIMILAR_REAL[SIMILAR_SYNTHETIC.index(measure)]].value
        assert abs(bad.values[measure].value - ideal) > abs(good.values[measure].value - ideal), measure


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
        low, high = found.values[name].interval()
        assert low - 0.1 < 0 < high + 0.1, name
    for mine, theirs in zip(SIMILAR_SYNTHETIC, SIMILAR_REAL, strict=True):
        assert found.interval(mine)[0] < found.interval(theirs)[1]


def test_a_site_with_too_few_subjects_abstains_and_says_nothing(real: list[Subject]) -> None:
    found = answer(real[:19], real)
    assert found.abstained
    assert not any(found.to_scalars().values())


def test_a_site_without_tumours_leaves_the_rim_out(real: list[Subject], others: list[Subject]) -> None:
    def healthy(subjects: list[Subject]) -> list[Subject]:
        return [Subject(s.name, s.images, np.where(s.labels > 3, 3, s.labels).astype(np.uint8), s.contrast)
                for s in subjects]

    found = answer(healthy(real), others)
    assert RIM_AUC not in found.values
    assert not set(PROFILES) & set(found.values)
    assert set(SPECTRA) <= set(found.values)
    assert RealismStatistics.from_scalars("north", found.to_scalars()) == found
