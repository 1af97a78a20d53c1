from __future__ import annotations

import numpy as np
import pytest
from brats_case import truth_on

from fl_components.cohort.tissue import label_tissues
from fl_components.study import Grid
from fl_components.vocabulary import HEALTHY, OEDEMA, TUMOUR

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
TRUTH = truth_on(GRID.shape, GRID.affine)
BRAIN = TRUTH > 0
TUMOUR_LABELS = np.where(np.isin(TRUTH, TUMOUR), TRUTH, 0)

SCANNERS = {  # CSF, GM, WM in T1, T2 and FLAIR
    "MPRAGE": ((0.15, 0.95, 0.20), (0.50, 0.50, 0.62), (0.80, 0.32, 0.50)),
    "spin echo": ((0.35, 0.95, 0.25), (0.68, 0.55, 0.65), (0.80, 0.45, 0.55)),
    "FLAIR without grey-white contrast": ((0.30, 0.95, 0.10), (0.55, 0.55, 0.60), (0.75, 0.42, 0.60)),
}


def scan(scanner: str, coil: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    table = np.zeros((7, 4))
    table[1:4] = np.array(SCANNERS[scanner])[:, [0, 0, 1, 2]]
    table[4:] = 0.7
    images = np.moveaxis(table[TRUTH], -1, 0) + 0.03 * rng.standard_normal((4, *TRUTH.shape))
    brightness = 1 + coil * np.linspace(-1, 1, TRUTH.shape[0])[:, None, None]
    return np.clip(images * brightness * BRAIN, 0, 1)


def dices(labels: np.ndarray) -> list[float]:
    pairs = [(labels == tissue, np.equal(TRUTH, tissue)) for tissue in HEALTHY]
    return [2 * (found & true).sum() / (found.sum() + true.sum()) for found, true in pairs]


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("coil", [0.0, 0.15])
def test_tissues_are_told_apart_at_every_scanner(scanner: str, coil: float) -> None:
    labels = label_tissues(scan(scanner, coil), BRAIN, TUMOUR_LABELS, GRID.spacing_mm)
    assert min(dices(labels)) > 0.9, dices(labels)


def test_the_tumour_is_kept_and_the_outside_left_alone() -> None:
    stray = TUMOUR_LABELS.copy()
    stray[0, 0, 0] = OEDEMA
    labels = label_tissues(scan("MPRAGE"), BRAIN, stray, GRID.spacing_mm)
    np.testing.assert_array_equal(labels[TUMOUR_LABELS > 0], TUMOUR_LABELS[TUMOUR_LABELS > 0])
    assert not labels[~BRAIN].any()
    assert labels[BRAIN].all()
    assert labels.dtype == np.uint8


def test_vessels_that_enhance_do_not_mislead() -> None:
    images = scan("MPRAGE")
    plain = label_tissues(images, BRAIN, TUMOUR_LABELS, GRID.spacing_mm)
    images[1] = np.random.default_rng(0).random(TRUTH.shape)
    np.testing.assert_array_equal(label_tissues(images, BRAIN, TUMOUR_LABELS, GRID.spacing_mm), plain)


def test_specks_are_smoothed_away() -> None:
    images = scan("MPRAGE")
    noisy = np.clip(images + 0.12 * np.random.default_rng(2).standard_normal(images.shape) * BRAIN, 0, 1)
    assert min(dices(label_tissues(noisy, BRAIN, TUMOUR_LABELS, GRID.spacing_mm))) > 0.8


def test_a_constant_image_is_labelled_without_failing() -> None:
    labels = label_tissues(np.full((4, *BRAIN.shape), 0.5), BRAIN, TUMOUR_LABELS, GRID.spacing_mm)
    assert labels[BRAIN].all()
