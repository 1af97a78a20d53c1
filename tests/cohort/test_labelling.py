from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brats_case import make_site, make_study, truth_on, write_case

from fl_components.cohort import labelling
from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.labelling import Labels
from fl_components.cohort.tissue import label_tissues
from fl_components.networks.labeller import SPACINGS_MM
from fl_components.study import Grid
from fl_components.vocabulary import CSF, GREY_MATTER, HEALTHY, OEDEMA, TUMOUR, WHITE_MATTER
from privacy_eval.errors import InputError

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
TRUTH = truth_on(GRID.shape, GRID.affine)
BRAIN = TRUTH > 0
ALL = np.ones(4, bool)
T1 = np.array([True, False, False, False])
NOTHING = np.zeros(GRID.shape, np.uint8)


def scan() -> np.ndarray:
    table = np.array([[0] * 4, [.2, .2, .95, .15], [.5, .5, .55, .6], [.8, .8, .4, .5], *[[.4, .5, .8, .9]] * 3])
    noise = 0.03 * np.random.default_rng(0).standard_normal((4, *GRID.shape))
    return (np.clip(np.moveaxis(table[TRUTH], -1, 0) + noise, 0.02, 1) * BRAIN).astype(np.float32)


def test_the_ranges_are_the_networks() -> None:
    assert labelling.SPACINGS_MM == SPACINGS_MM


@pytest.mark.parametrize(("choice", "available", "masked", "spacing", "expected"), [
    ("mixture", ALL, True, 4.0, "mixture"), ("labeller", ALL, True, 4.0, "labeller"),
    ("auto", T1, True, 4.0, "labeller"), ("auto", ALL, False, 2.8, "labeller"),
    ("auto", ALL, True, 2.0, "labeller"), ("auto", ALL, True, 1.0, "mixture"), ("auto", ALL, True, 7.0, "mixture"),
    ("auto", np.array([True, False, True, True]), True, 7.0, "mixture"),
])
def test_who_labels(choice: labelling.Labelling, available: np.ndarray, masked: bool, spacing: float,
                    expected: str) -> None:
    assert Labels(choice).method(available, masked, spacing) == expected


@pytest.mark.parametrize(("choice", "available", "masked", "spacing", "expected"), [
    ("mixture", T1, True, 4.0, "needs T1, T2, FLAIR and finds no T2"),
    ("mixture", ALL, False, 4.0, "cannot find tumours"),
    ("labeller", ALL, True, 7.0, "a study grid of 7 mm: the labeller knows voxels of 2 to 4.4 mm"),
    ("auto", T1, True, 1.0, "a study grid of 1 mm"),
])
def test_nobody_can(choice: labelling.Labelling, available: np.ndarray, masked: bool, spacing: float,
                    expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        Labels(choice).method(available, masked, spacing)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("available", [ALL, T1])
def test_the_given_tumour_wins_and_the_rest_is_healthy(available: np.ndarray) -> None:
    tumour = np.where(np.isin(TRUTH, TUMOUR), TRUTH, 0).astype(np.uint8)
    labels = Labels().label(scan() * available[:, None, None, None], available, BRAIN, tumour, True, 4.0)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels[tumour > 0], tumour[tumour > 0])
    assert set(np.unique(labels[BRAIN & (tumour == 0)])) <= set(HEALTHY)
    assert not labels[~BRAIN].any()
    for tissue in (CSF, GREY_MATTER, WHITE_MATTER):
        assert 2 * ((labels == tissue) & (tissue == TRUTH)).sum() > 0.5 * ((labels == tissue).sum()
                                                                         + np.equal(TRUTH, tissue).sum()), tissue


def test_without_a_mask_all_labels_are_possible() -> None:
    labels = Labels(tumours="unmasked").label(scan(), ALL, BRAIN, NOTHING, False, 4.0)
    found = np.isin(labels, TUMOUR)
    overlap = 2 * (found & np.isin(TRUTH, TUMOUR)).sum() / (found.sum() + np.isin(TRUTH, TUMOUR).sum())
    assert overlap > 0.5
    given = NOTHING.copy()
    given[20, 24, 20] = OEDEMA
    assert Labels(tumours="unmasked").label(scan(), ALL, BRAIN, given, False, 4.0)[20, 24, 20] == OEDEMA


def test_the_mixture_is_the_mixture() -> None:
    np.testing.assert_array_equal(Labels("mixture").label(scan(), ALL, BRAIN, NOTHING, True, 4.0),
                                  label_tissues(scan(), BRAIN, NOTHING, 4.0))


def test_another_labeller_makes_another_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    write_case(tmp_path / "data", "a")
    site = make_site(tmp_path, labelling="labeller")
    cohort = prepare_cohort(site, study)
    path = next(iter(cohort.members))
    before = path.stat().st_mtime_ns
    assert prepare_cohort(site, study) == cohort
    assert path.stat().st_mtime_ns == before
    monkeypatch.setattr(labelling, "_digest", lambda: "another")
    with pytest.raises(InputError, match="labelled otherwise than now"):
        Cohort.load(site, study)
    prepare_cohort(site, study)
    assert path.stat().st_mtime_ns > before
    by_mixture = make_site(tmp_path, labelling="mixture")
    with pytest.raises(InputError, match="labelled otherwise than now"):
        Cohort.load(by_mixture, study)
