from __future__ import annotations

import numpy as np
import pytest

from fl_components.anatomy.template import load_template
from fl_components.study import Grid


@pytest.mark.parametrize("grid", [Grid(shape=(40, 48, 40), spacing_mm=4.0), Grid(shape=(56, 66, 56), spacing_mm=2.9)])
def test_tissue_volumes_survive_resampling(grid: Grid) -> None:
    template = load_template(grid.shape, grid.affine)
    voxel_ml = grid.spacing_mm**3 / 1000
    volumes = [float(part.sum()) * voxel_ml for part in (template.gm, template.wm, template.csf)]
    assert volumes == pytest.approx([996.6, 670.3, 219.8], rel=0.01)  # sums over the files at 1 mm


def test_probabilities_sum_to_the_brain() -> None:
    grid = Grid(shape=(40, 48, 40), spacing_mm=4.0)
    template = load_template(grid.shape, grid.affine)
    np.testing.assert_allclose(template.tissues.sum(axis=0), template.brain, atol=1e-5)
    assert template.gm.dtype == np.float32
    assert template.brain.min() >= 0
    assert template.brain.max() <= 1 + 1e-6


def test_brain_is_centred_and_whole_on_the_study_grid() -> None:
    grid = Grid(shape=(40, 48, 40), spacing_mm=4.0)
    brain = load_template(grid.shape, grid.affine).brain > 0.5
    places = np.argwhere(brain)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    assert np.abs(middle - (np.array(grid.shape) - 1) / 2).max() <= 1
    assert places.min() > 0
    assert (places.max(axis=0) < np.array(grid.shape) - 1).all()


def test_it_is_anti_aliased_like_a_box_average() -> None:
    coarse = Grid(shape=(40, 48, 40), spacing_mm=4.0)
    fine = Grid(shape=(160, 192, 160), spacing_mm=1.0)
    average = load_template(fine.shape, fine.affine).gm.reshape(40, 4, 48, 4, 40, 4).mean(axis=(1, 3, 5))
    assert np.corrcoef(average.ravel(), load_template(coarse.shape, coarse.affine).gm.ravel())[0, 1] > 0.99


def test_cached_arrays_cannot_be_changed() -> None:
    grid = Grid(shape=(40, 48, 40), spacing_mm=4.0)
    template = load_template(grid.shape, grid.affine)
    assert template is load_template(grid.shape, grid.affine.copy())
    with pytest.raises(ValueError, match="read-only"):
        template.gm[0, 0, 0] = 1
