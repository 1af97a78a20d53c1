"""The detector finds a planted difference, however small in its place, and nothing between halves of one set."""

from __future__ import annotations

import numpy as np
import pytest

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.evaluation.anatomies import ANATOMY_NUMBERS, AnatomyTable, compare_anatomies
from fl_components.evaluation.detector import BLOCKS, block_shares, detect, neighbours
from fl_components.study import Grid
from fl_components.vocabulary import CSF, GREY_MATTER, N_LABELS, WHITE_MATTER
from privacy_eval.errors import InputError
from privacy_eval.statistics.ranks import stratified_auc

GRID = Grid(shape=(24, 28, 24), spacing_mm=7.0)


@pytest.fixture(scope="module")
def anatomies() -> list[np.ndarray]:
    sampler = AnatomySampler(GRID)
    return [sampler.sample(np.random.default_rng(k), tumour=k % 4 > 0).labels for k in range(60)]


def test_halves_of_one_set_are_alike_and_every_number_is_there(anatomies: list[np.ndarray]) -> None:
    found = compare_anatomies(AnatomyTable.of(anatomies[:32], GRID), AnatomyTable.of(anatomies[32:], GRID))
    assert set(found) == set(ANATOMY_NUMBERS)
    detector = found["detector"]
    assert detector is not None
    assert stratified_auc([detector], 0.999).low < 0.5


def test_a_planted_difference_is_found_by_its_measure_and_by_the_detector(anatomies: list[np.ndarray]) -> None:
    def thinned(labels: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(labels.sum())
        return np.where((labels == GREY_MATTER) & (rng.uniform(size=labels.shape) < 0.2), WHITE_MATTER, labels)

    found = compare_anatomies(AnatomyTable.of(anatomies[:30], GRID),
                              AnatomyTable.of([thinned(labels) for labels in anatomies[30:]], GRID))
    white, detector = found["white_share"], found["detector"]
    assert white is not None
    assert detector is not None
    assert white.auc > 0.95
    assert stratified_auc([detector], 0.999).low > 0.8


def test_healthy_brains_have_no_tumour_to_compare(anatomies: list[np.ndarray]) -> None:
    healthy = AnatomyTable.of(anatomies[::4], GRID)
    found = compare_anatomies(healthy, healthy)
    assert found["tumour_compactness"] is None
    assert found["tumour_ml"] is not None
    assert found["tumour_ml"].auc == 0.5


def test_neighbours_of_two_slabs_are_counted_by_hand() -> None:
    labels = np.full((4, 3, 2), CSF, np.uint8)
    labels[2:] = GREY_MATTER
    counts = np.zeros((N_LABELS, N_LABELS))
    counts[np.triu_indices(N_LABELS)] = neighbours(labels) * 24
    assert counts[CSF, GREY_MATTER] == 6  # one face for each of the 3 × 2 columns
    # Within a slab every face counts twice, once from either side: 6 along x, 8 along y, 6 along z.
    assert counts[CSF, CSF] == counts[GREY_MATTER, GREY_MATTER] == 2 * 20


def test_block_shares_sum_to_one() -> None:
    labels = np.random.default_rng(0).integers(0, N_LABELS, (20, 25, 15))
    shares = block_shares(labels).reshape(N_LABELS, BLOCKS**3)
    np.testing.assert_allclose(shares.sum(axis=0), 1)


def test_too_few_anatomies_are_refused() -> None:
    with pytest.raises(InputError, match="at least 5 anatomies"):
        detect(np.zeros((4, 900)), np.zeros((9, 900)))
