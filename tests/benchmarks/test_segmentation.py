from __future__ import annotations

import numpy as np
import pytest
import torch
from small_run import CONTRAST

from benchmarks.segmentation import REGIONS, dice_of, region_dice, train_segmenter
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.precision import Precision
from fl_components.study import Augmentation, Grid
from fl_components.training.batch import shuffled_batches
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, WHITE_MATTER

GRID = Grid(shape=(16, 16, 16), spacing_mm=12.0)
PLAIN = Precision(torch.device("cpu"), bfloat16=False)


def test_dice_of_each_region_by_hand() -> None:
    """Regions are nested: enhancing tumour called necrotic spoils the enhancing region alone."""
    truth = np.array([[[WHITE_MATTER, OEDEMA, OEDEMA, NECROTIC, ENHANCING, ENHANCING]]])
    found = np.array([[[OEDEMA, OEDEMA, OEDEMA, NECROTIC, NECROTIC, ENHANCING]]])
    dice = region_dice(found, truth)
    assert dice["whole tumour"] == pytest.approx(2 * 5 / (6 + 5))
    assert dice["core"] == 1
    assert dice["enhancing"] == pytest.approx(2 / 3)


def test_healthy_labels_are_no_region() -> None:
    truth = np.array([[[1, 2, 3, OEDEMA]]])
    assert region_dice(np.array([[[3, 3, 1, OEDEMA]]]), truth)["whole tumour"] == 1


def test_absent_region_has_no_dice() -> None:
    truth = np.array([[[WHITE_MATTER, OEDEMA]]])
    dice = region_dice(truth, truth)
    assert dice["whole tumour"] == 1
    assert np.isnan(dice["core"])
    assert np.isnan(dice["enhancing"])


def make_subjects(count: int) -> list[Subject]:
    """A box of white matter with a ball of tumour somewhere in it."""
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    places = np.indices(GRID.shape)
    subjects = []
    for k in range(count):
        centre = np.random.default_rng(k).uniform(5, 11, 3)
        distance = np.sqrt(((places - centre.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
        labels = np.digitize(-distance, [-5, -3.5, -2]).astype(np.uint8)
        labels = np.array([WHITE_MATTER, OEDEMA, ENHANCING, NECROTIC], np.uint8)[labels]
        subjects.append(Subject(str(k), paint(labels, contrast), labels, contrast))
    return subjects


def train_and_test(steps: int, seed: int, seen: list[int]) -> dict[str, np.ndarray]:
    still = Augmentation(flip=False, rotation_degrees=0, scale=0, elastic_mm=0, contrast_jitter=0)
    subjects = make_subjects(4)
    batches = shuffled_batches(subjects, 2, torch.Generator().manual_seed(0))
    network = train_segmenter(batches, steps, still, GRID, PLAIN, seed, seen.append)
    return dice_of(network.eval(), subjects, PLAIN)


def test_training_finds_painted_tumours() -> None:
    seen: list[int] = []
    early, late = (train_and_test(steps, 3, seen) for steps in (1, 40))
    assert seen == [1, *range(1, 41)]
    assert set(late) == set(REGIONS)
    assert np.nanmean(late["whole tumour"]) > max(0.6, np.nanmean(early["whole tumour"]))


def test_training_repeats_itself() -> None:
    once, again, other = (train_and_test(2, seed, []) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once["whole tumour"], again["whole tumour"])
    assert (once["whole tumour"] != other["whole tumour"]).any()
