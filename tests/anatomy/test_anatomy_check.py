from __future__ import annotations

import numpy as np
import pytest

from fl_components.anatomy.check import problems
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.study import Grid
from fl_components.vocabulary import BACKGROUND, ENHANCING, NECROTIC, OEDEMA, TUMOUR, WHITE_MATTER

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)


@pytest.fixture
def labels() -> np.ndarray:
    return AnatomySampler(GRID).sample(np.random.default_rng(11)).labels


def assert_told(found: list[str], word: str) -> None:
    assert any(word in line for line in found), found


def test_wrong_shape_is_told() -> None:
    assert_told(problems(np.zeros((3, 3, 3), np.uint8), GRID), "shape (3, 3, 3)")


def test_empty_and_unknown_are_told(labels: np.ndarray) -> None:
    assert_told(problems(np.zeros_like(labels), GRID), "no brain")
    labels[20, 20, 20] = 9
    assert_told(problems(labels, GRID), "unknown labels [9]")


def test_small_brain_is_told(labels: np.ndarray) -> None:
    assert_told(problems(labels, Grid(shape=GRID.shape, spacing_mm=3.0)), "ml, expected 900 to 2100")


def test_pieces_are_told(labels: np.ndarray) -> None:
    labels[:, 22:25] = BACKGROUND
    assert_told(problems(labels, GRID), "in pieces")


def test_brain_of_white_matter_is_told(labels: np.ndarray) -> None:
    labels[labels != BACKGROUND] = WHITE_MATTER
    assert_told(problems(labels, GRID), "white matter is 100%")


def test_cut_brain_is_told(labels: np.ndarray) -> None:
    assert_told(problems(np.roll(labels, 12, axis=1), GRID), "cut off")


def test_floating_tumour_is_told(labels: np.ndarray) -> None:
    labels[np.isin(labels, TUMOUR)] = WHITE_MATTER
    labels[1:5, 1:5, 1:5] = OEDEMA
    assert_told(problems(labels, GRID), "outside the brain")


def test_huge_tumour_is_told(labels: np.ndarray) -> None:
    labels[(labels != BACKGROUND) & (np.indices(labels.shape)[0] < 18)] = OEDEMA
    assert_told(problems(labels, GRID), "tumour of")


def test_bare_necrosis_is_told(labels: np.ndarray) -> None:
    labels[np.isin(labels, TUMOUR)] = WHITE_MATTER
    labels[14:18, 22:26, 22:26] = NECROTIC
    labels[14, 22, 22] = ENHANCING
    assert_told(problems(labels, GRID), "necrotic core")
