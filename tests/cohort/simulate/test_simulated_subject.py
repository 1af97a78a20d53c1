from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fl_components.cohort.simulate.patient import POPULATIONS
from fl_components.cohort.simulate.scanner import NAMED
from fl_components.cohort.simulate.subject import SimulatedSubject, make_subject
from fl_components.vocabulary import CSF, ENHANCING, GREY_MATTER, OEDEMA, SEQUENCES, TUMOUR, WHITE_MATTER


@pytest.fixture(scope="module")
def subjects() -> list[SimulatedSubject]:
    return [make_subject(np.random.default_rng(seed + 20), NAMED[seed], POPULATIONS[seed]) for seed in range(4)]


def median(subject: SimulatedSubject, sequence: str, label: int) -> float:
    image = subject.images[SEQUENCES.index(sequence)]
    inner = ndimage.binary_erosion(image > 0, iterations=2)
    return float(np.median(image[(subject.labels == label) & inner]))


def test_contrasts_look_like_the_sequences(subjects: list[SimulatedSubject]) -> None:
    for subject in subjects:
        assert median(subject, "T1", WHITE_MATTER) > median(subject, "T1", GREY_MATTER) > median(subject, "T1", CSF)
        assert median(subject, "T2", CSF) > median(subject, "T2", GREY_MATTER) > median(subject, "T2", WHITE_MATTER)
        assert median(subject, "FLAIR", CSF) < 0.8 * median(subject, "FLAIR", WHITE_MATTER)
        if (subject.labels == OEDEMA).sum() > 100:
            assert median(subject, "FLAIR", OEDEMA) > 1.2 * median(subject, "FLAIR", WHITE_MATTER)
        if (subject.labels == ENHANCING).sum() > 100:
            ratio = median(subject, "T1ce", ENHANCING) / median(subject, "T1ce", WHITE_MATTER)
            assert ratio > 1.1 * median(subject, "T1", ENHANCING) / median(subject, "T1", WHITE_MATTER)


def test_arrays_are_what_is_stored(subjects: list[SimulatedSubject]) -> None:
    for subject in subjects:
        assert subject.images.dtype == np.int16
        assert subject.images.shape == (4, *subject.grid.shape)
        assert subject.images.min() == 0
        kept = subject.images > 0
        assert (kept == kept[0]).all()
        assert 0.9 < kept[0].sum() / (subject.labels > 0).sum() < 1.2
        np.testing.assert_array_equal(subject.mask > 0, np.isin(subject.labels, TUMOUR))


def test_images_hold_more_than_the_anatomy_explains(subjects: list[SimulatedSubject]) -> None:
    """Within one tissue the image varies by much more than the machine's noise alone."""
    for subject, scanner in zip(subjects, NAMED, strict=True):
        image = subject.images[SEQUENCES.index("T1")].astype(float)
        inner = ndimage.binary_erosion(image > 0, iterations=3)
        white = image[(subject.labels == WHITE_MATTER) & inner]
        assert white.std() / white.mean() > 1.2 * scanner.sequences["T1"].noise


def test_no_checkerboard(subjects: list[SimulatedSubject]) -> None:
    for subject in subjects:
        sign = 1 - 2 * (np.indices(subject.grid.shape).sum(axis=0) % 2)
        for image in subject.images.astype(float):
            power = ndimage.laplace(image)
            assert abs((power * sign).sum()) / np.abs(power).sum() < 0.05


def test_the_same_generator_state_gives_the_same_subject(subjects: list[SimulatedSubject]) -> None:
    again = make_subject(np.random.default_rng(21), NAMED[1], POPULATIONS[1])
    np.testing.assert_array_equal(again.images, subjects[1].images)
    np.testing.assert_array_equal(again.labels, subjects[1].labels)
