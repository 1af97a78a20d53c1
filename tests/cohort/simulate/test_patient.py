from __future__ import annotations

import numpy as np
import pytest

from fl_components.anatomy.check import problems
from fl_components.anatomy.threads import one_blas_thread
from fl_components.cohort.simulate.patient import (
    POPULATIONS,
    Patient,
    draw_population,
    draw_traits,
    make_patient,
    native_grid,
)
from fl_components.cohort.simulate.structure import Structure, build_structure
from fl_components.cohort.simulate.tissue import PARENCHYMA
from fl_components.vocabulary import ENHANCING, GREY_MATTER, OEDEMA, TUMOUR, WHITE_MATTER


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    rngs = [np.random.default_rng(seed) for seed in range(8)]
    with one_blas_thread():
        return [make_patient(rng, draw_traits(rng, POPULATIONS[seed % 4]), native_grid(3.0))
                for seed, rng in enumerate(rngs)]


@pytest.fixture(scope="module")
def structures(patients: list[Patient]) -> list[Structure]:
    with one_blas_thread():
        return [build_structure(np.random.default_rng(seed), patient) for seed, patient in enumerate(patients)]


def test_they_could_be_brains(patients: list[Patient]) -> None:
    assert [problems(patient.labels, patient.grid) for patient in patients] == [[] for _ in patients]


def test_low_grade_tumours_do_not_enhance(patients: list[Patient]) -> None:
    for patient in patients:
        assert (patient.labels == ENHANCING).any() == (patient.traits.kind != "low grade")
        volume = np.isin(patient.labels, TUMOUR).sum() * 0.027
        assert volume == pytest.approx(patient.traits.tumour.volume_ml, rel=0.15)


def test_oedema_fades_instead_of_ending(patients: list[Patient]) -> None:
    for patient in patients:
        outside = np.isin(patient.labels, (GREY_MATTER, WHITE_MATTER))
        partly = (patient.infiltration > 0.1) & (patient.infiltration < 0.9)
        assert (partly & outside).sum() > 30
        oedema = patient.labels == OEDEMA
        if oedema.sum() > 500:
            assert patient.infiltration[oedema].mean() > 0.6


def test_populations_differ() -> None:
    rng = np.random.default_rng(0)
    old, young = ([draw_traits(rng, POPULATIONS[index]) for _ in range(200)] for index in (0, 3))
    assert np.mean([traits.age for traits in old]) > np.mean([traits.age for traits in young]) + 8
    low = [np.mean([traits.kind == "low grade" for traits in group]) for group in (old, young)]
    assert low[0] < low[1]
    assert draw_population(np.random.default_rng(1)) != draw_population(np.random.default_rng(2))


def test_shares_are_shares(structures: list[Structure]) -> None:
    for structure in structures:
        assert structure.tissue.min() >= -1e-5
        assert structure.tissue.sum(axis=0).max() <= 1.01
        assert structure.fluid.min() >= 0
        assert structure.fluid.max() <= 1.01
        assert structure.gadolinium.min() >= 0


def test_nuclei_vessels_and_lesions_are_there(structures: list[Structure]) -> None:
    for name in ("deep grey", "iron", "vessel"):
        volumes = [structure.tissue[PARENCHYMA.index(name)].sum() * 0.027 for structure in structures]
        assert min(volumes) > 1, name
    lesions = [structure.tissue[PARENCHYMA.index("white lesion")].sum() * 0.027 for structure in structures]
    assert max(lesions) > 1


def test_white_lesions_come_with_age(patients: list[Patient], structures: list[Structure]) -> None:
    ages = np.array([patient.traits.age for patient in patients])
    lesions = np.array([structure.tissue[PARENCHYMA.index("white lesion")].sum() for structure in structures])
    assert lesions[ages > 60].mean() > lesions[ages < 50].mean()


def test_enhancing_tumour_takes_up_gadolinium(patients: list[Patient], structures: list[Structure]) -> None:
    for patient, structure in zip(patients, structures, strict=True):
        labels = patient.labels[structure.where]
        if (labels == ENHANCING).sum() > 50:
            taken = np.median(structure.gadolinium[labels == ENHANCING])
            assert taken > 3 * np.median(structure.gadolinium[labels == WHITE_MATTER])
