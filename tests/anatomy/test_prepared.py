from __future__ import annotations

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


def moved(brain: Brain, steps: tuple[int, int, int]) -> Brain:
    return Brain(*(np.roll(maps, steps, axis=(-3, -2, -1)) for maps in
                   (brain.tissues, brain.inside, brain.template_mm)))


@pytest.mark.parametrize("steps", [(0, 0, 0), (1, -1, 2), (-2, 1, 0)])
def test_the_box_lies_in_the_middle(brain: Brain, steps: tuple[int, int, int]) -> None:
    mask = as_prepared(np.random.default_rng(0), moved(brain, steps), 4.0).mask
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    middle = [(side.start + side.stop - 1) / 2 for side in box]
    assert middle == pytest.approx([19.5, 23.5, 19.5], abs=0.51)


def test_tissues_sum_to_the_brain(brain: Brain) -> None:
    found = as_prepared(np.random.default_rng(0), brain, 4.0)
    np.testing.assert_allclose(found.tissues.sum(axis=0), found.inside, atol=1e-3)
    assert found.tissues.min() >= 0
    assert found.inside.max() <= 1 + 1e-5


def test_averaging_moves_no_tissue(brain: Brain) -> None:
    rng = np.random.default_rng(0)
    stripped, prepared = strip(rng, brain, 4.0), as_prepared(np.random.default_rng(0), brain, 4.0)
    np.testing.assert_allclose(prepared.tissues.sum(axis=(1, 2, 3)), stripped.tissues.sum(axis=(1, 2, 3)), rtol=0.01)


def test_places_stay_with_their_tissue(brain: Brain) -> None:
    """A voxel's template coordinates name the same tissue before and after, up to what averaging blurs."""
    found = as_prepared(np.random.default_rng(0), moved(brain, (1, 1, -1)), 4.0)
    for axis in range(3):
        before, after = (np.average(one.template_mm[axis], weights=one.tissues[2]) for one in (brain, found))
        assert after == pytest.approx(before, abs=1.0)


def test_an_extraction_errs_by_about_a_millimetre(brain: Brain) -> None:
    found = strip(np.random.default_rng(1), brain, 4.0)
    wrong = (found.mask != brain.mask).sum() * 4.0**3
    surface = (brain.mask & ~ndimage.binary_erosion(brain.mask)).sum() * 4.0**2
    assert 0.2 < wrong / surface < 2.0
    assert found.mask.sum() == pytest.approx(brain.mask.sum(), rel=0.1)
