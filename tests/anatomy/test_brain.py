from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fl_components.anatomy.brain import Brain, BrainTraits, make_brain
from fl_components.anatomy.sampler import draw_brain_traits
from fl_components.anatomy.template import load_template
from fl_components.study import Grid
from fl_components.vocabulary import CSF

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
PLAIN = BrainTraits(scale=(1, 1, 1), rotation_degrees=(0, 0, 0), warp_mm=0, warp_scale_mm=25, ventricle_mm=0,
                    atrophy=0, folding=0, fold_mm=6)


def make(traits: BrainTraits, seed: int = 0) -> Brain:
    return make_brain(np.random.default_rng(seed), GRID, traits)


def test_without_traits_it_is_the_template() -> None:
    brain = make(PLAIN)
    template = load_template(GRID.shape, GRID.affine)
    assert np.corrcoef(brain.tissues.ravel(), template.tissues.ravel())[0, 1] > 0.97
    assert brain.template_mm[0].min() == pytest.approx(-78, abs=0.1)  # half of 40 voxels of 4 mm, less half a voxel


def test_probabilities_sum_to_inside() -> None:
    brain = make(replace(PLAIN, folding=0.4, atrophy=0.5, ventricle_mm=3, warp_mm=2.5))
    np.testing.assert_allclose(brain.tissues.sum(axis=0), brain.inside, atol=1e-5)
    assert brain.tissues.min() >= 0


def test_size_follows_the_scale() -> None:
    small = make(replace(PLAIN, scale=(0.9, 0.9, 0.9))).inside.sum()
    assert small / make(PLAIN).inside.sum() == pytest.approx(0.9**3, rel=0.01)


def test_ventricles_widen_and_narrow() -> None:
    x, y, z = make(PLAIN).template_mm
    central = ((x / 38) ** 2 + ((y + 18) / 62) ** 2 + ((z - 12) / 34) ** 2) < 1
    narrow, normal, wide = (make(replace(PLAIN, ventricle_mm=pull)).tissues[0][central].sum() for pull in (-2, 0, 4))
    assert narrow < normal < wide
    assert wide > 1.3 * normal


def test_atrophy_opens_the_sulci() -> None:
    folded = replace(PLAIN, folding=0.3)
    young, old = (float((make(replace(folded, atrophy=atrophy)).labels() == CSF).sum()) for atrophy in (0.0, 0.8))
    assert old > 1.3 * young


def test_folds_differ_between_draws() -> None:
    folded = replace(PLAIN, folding=0.4)
    assert (make(folded, 1).labels() != make(folded, 2).labels()).mean() > 0.02


def test_no_displacement_changes_nothing() -> None:
    brain = make(PLAIN)
    moved = brain.displaced(np.zeros((3, *GRID.shape), np.float32), GRID.spacing_mm)
    np.testing.assert_array_equal(moved.tissues, brain.tissues)


def test_a_centred_brain_lies_in_the_middle_of_the_grid_to_half_a_voxel() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        traits = draw_brain_traits(rng)
        brain = make_brain(rng, GRID, traits, centred=True)
        for axis, length in enumerate(GRID.shape):
            profile = brain.inside.max(axis=tuple(other for other in range(3) if other != axis))
            low, high = (np.interp(0.5, *line) for line in _edges(profile))
            assert (low + high) / 2 == pytest.approx((length - 1) / 2, abs=0.5)


def _edges(profile: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rising and the falling side of a line: values in order, and where they are."""
    first, last = np.flatnonzero(profile > 0.5)[[0, -1]]
    return [(profile[[first - 1, first]], np.array([first - 1, first])),
            (profile[[last + 1, last]], np.array([last + 1, last]))]
