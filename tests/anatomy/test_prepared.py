from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from scipy import ndimage

from fl_components.anatomy.brain import Brain, make_brain
from fl_components.anatomy.prepared import as_prepared, strip
from fl_components.anatomy.sampler import draw_brain_traits
from fl_components.study import Grid

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)


@pytest.fixture(scope="module")
def brain() -> Brain:
    rng = np.random.default_rng(3)
    return make_brain(rng, GRID, draw_brain_traits(rng))


def test_tissues_sum_to_the_brain(brain: Brain) -> None:
    found = as_prepared(np.random.default_rng(0), brain, 4.0)
    np.testing.assert_allclose(found.tissues.sum(axis=0), found.inside, atol=1e-3)
    assert found.tissues.min() >= 0
    assert found.inside.max() <= 1 + 1e-5


def test_averaging_moves_no_tissue(brain: Brain) -> None:
    stripped, prepared = strip(np.random.default_rng(0), brain, 4.0), as_prepared(np.random.default_rng(0), brain, 4.0)
    np.testing.assert_allclose(prepared.tissues.sum(axis=(1, 2, 3)), stripped.tissues.sum(axis=(1, 2, 3)), rtol=1e-3)
    np.testing.assert_array_equal(prepared.template_mm, brain.template_mm)


def test_a_voxel_averages_over_its_full_width_at_half_maximum() -> None:
    point = np.zeros((3, 9, 9, 9), np.float32)
    point[:, 4, 4, 4] = 1
    still = Brain(point, np.ones((9, 9, 9), np.float32), point)
    with patch("fl_components.anatomy.prepared.strip", return_value=still):
        spread = as_prepared(np.random.default_rng(0), still, 4.0).tissues[2]
    assert spread.sum() == pytest.approx(1)
    for axis in range(3):
        line = spread.sum(axis=tuple(other for other in range(3) if other != axis))
        assert (line * (np.arange(9) - 4) ** 2).sum() == pytest.approx(1 / 2.3548**2, rel=1e-3)


def test_an_extraction_errs_by_about_a_millimetre(brain: Brain) -> None:
    found = strip(np.random.default_rng(1), brain, 4.0)
    wrong = (found.mask != brain.mask).sum() * 4.0**3
    surface = (brain.mask & ~ndimage.binary_erosion(brain.mask)).sum() * 4.0**2
    assert 0.2 < wrong / surface < 2.0
    assert found.mask.sum() == pytest.approx(brain.mask.sum(), rel=0.1)
