from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from segmenter_case import GRID, PLAIN, make_subjects
from small_run import small_study

from benchmarks.utility_images import NOTHING, SEPARATING, Images, exchanged, patient_of, scanned_anatomy
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.simulate.patient import native_grid
from fl_components.cohort.simulate.scanner import NAMED
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.evaluation.realism.bad import collapsed
from fl_components.evaluation.scores import score_subjects
from fl_components.evaluation.training_sets import TRAINING_SETS, phase_batches
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.training.segment import Stage, train_segmenter
from fl_components.vocabulary import REGIONS, TUMOUR, WHITE_MATTER
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")


def test_a_sampled_anatomy_in_a_hospitals_scanner() -> None:
    """On the study's grid, with the scanner's noise and structure that no lookup table has, and repeatable."""
    first, again = (scanned_anatomy(NAMED[0], STUDY, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    assert first.images.shape == (4, *STUDY.grid.shape)
    assert np.isin(first.labels, TUMOUR).sum() > 3
    white = first.images[0][first.labels == 3]
    assert white.std() > 0.01


def test_oedema_fades_across_a_sampled_tumours_edge() -> None:
    spacing_mm = 7.0
    drawn = AnatomySampler(native_grid(spacing_mm)).sample(np.random.default_rng(0))
    patient = patient_of(drawn, spacing_mm, np.random.default_rng(0))
    tumour = np.isin(drawn.labels, TUMOUR)
    assert patient.infiltration[tumour].min() > 0.5
    assert patient.infiltration[~tumour].mean() < 0.1
    assert 20 <= patient.traits.age <= 88


def test_a_healthy_anatomy_is_refused() -> None:
    drawn = AnatomySampler(native_grid(7.0)).sample(np.random.default_rng(0), tumour=False)
    with pytest.raises(InputError, match="without a tumour"):
        patient_of(drawn, 7.0, np.random.default_rng(0))


@pytest.mark.parametrize("name", [*NOTHING, SEPARATING[2]])
def test_in_random_protocols_no_patients_contrast_is_used(name: str) -> None:
    """Nor the release's images: its anatomies alone. What knows nobody reads nothing of the run, which has nothing."""
    study = Study.parse(small_study(network={}), "test")  # of the sizes that were trained publicly
    labels = AnatomySampler(study.grid).sample(np.random.default_rng(0)).labels
    made = []
    for level in (0.2, 0.9):
        contrast = Contrast(np.full((6, 4), level, np.float32), np.ones(6, bool))
        released = [Subject(str(k), np.full((4, *labels.shape), level, np.float32), labels, contrast) for k in range(2)]
        run: Any = SimpleNamespace()
        if name not in NOTHING:
            run.server = SimpleNamespace(load_generator=lambda: weights_of(build_generator(study)))
        made.append(Images(run, study, {}, released, len(released)).make(name))
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
    first, second = made[0]
    assert np.abs(first.contrast.mean - second.contrast.mean).max() > 0.05  # each in a protocol of its own


def noisy(subjects: Sequence[Subject]) -> list[Subject]:
    """As scans are: with noise, and with tumours that show in one of the sequences, another in each subject."""
    made = []
    for subject in subjects:
        rng = np.random.default_rng(int(subject.name))
        images = subject.images + 0.05 * rng.standard_normal(subject.images.shape)
        hidden = (rng.permutation(len(images)) < 3)[:, None, None, None] & np.isin(subject.labels, TUMOUR)
        white = subject.contrast.mean[WHITE_MATTER - 1][:, None, None, None]
        made.append(replace(subject, images=np.where(hidden, white, images).clip(0, 1).astype("f4")))
    return made


def synthetic_only(subjects: Sequence[Subject]) -> float:
    """Mean Dice of the regions, of a segmenter trained on the subjects alone."""
    batches = phase_batches(TRAINING_SETS["synthetic only"][0], [], subjects, 0)
    network = train_segmenter("segresnet", batches, Stage(150), None, GRID, PLAIN, 0)
    scores = score_subjects(network, noisy(make_subjects(8, 100)), GRID, PLAIN, distances=False)
    return float(np.mean([np.nanmean(scores.dice[region]) for region in REGIONS]))


def test_bad_generators_come_out_worse() -> None:
    """The check that cannot be fooled, in small: what is wrong with images is what they cannot teach."""
    good = noisy(make_subjects(8))
    worth = {name: synthetic_only(subjects) for name, subjects in (
        ("good", good), ("mode-collapsed", collapsed(good)), ("sequences exchanged", exchanged(good)))}
    assert worth.pop("good") > max(worth.values()) + 0.05
