from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fl_components.anatomy import tumour
from fl_components.anatomy.deform import jacobian
from fl_components.anatomy.tumour import (
    CORTEX_SPARED,
    FRONT_WIDTH_MM,
    NEVER,
    TumourTraits,
    arrival_times,
    diffuse,
    diffusion_weights,
    label_tumour,
    largest_parts,
    mass_effect,
    sparing_cortex,
    time_at_volume,
)
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA

SPACING = 4.0
STEP = SPACING**2 / (12 * FRONT_WIDTH_MM**2)
TRAITS = TumourTraits(volume_ml=40, core_share=0.4, rim_mm=4, white_preference=5, push_mm=5, roughness=0.3)


def uniform_tissue(shape: tuple[int, int, int] = (32, 32, 32), tissue: int = 2) -> np.ndarray:
    tissues = np.zeros((3, *shape), np.float32)
    tissues[tissue] = 1
    return tissues


def grow(tissues: np.ndarray, traits: TumourTraits = TRAITS, seed: tuple[int, int, int] = (16, 16, 16)) -> np.ndarray:
    return arrival_times(tissues, np.array([seed]), np.zeros(1), traits, SPACING)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_diffusion_conserves_and_never_overshoots(seed: int) -> None:
    rng = np.random.default_rng(seed)
    diffusivity = FRONT_WIDTH_MM**2 * rng.uniform(0, 1, (6, 5, 7)).astype(np.float32)
    diffusivity[rng.uniform(size=diffusivity.shape) < 0.2] = 0
    cells = rng.uniform(0, 1, diffusivity.shape).astype(np.float32)
    before = cells.copy()
    diffuse(cells, diffusion_weights(diffusivity, STEP, SPACING))
    assert cells.sum() == pytest.approx(before.sum(), rel=1e-5)
    assert cells.min() >= before.min() - 1e-6
    assert cells.max() <= before.max() + 1e-6
    np.testing.assert_array_equal(cells[diffusivity == 0], before[diffusivity == 0])


def test_diffusion_equals_a_loop_over_faces() -> None:
    rng = np.random.default_rng(0)
    diffusivity = rng.uniform(0.1, FRONT_WIDTH_MM**2, (4, 3, 5))
    cells = rng.uniform(0, 1, diffusivity.shape)
    expected = cells.copy()
    for place in np.ndindex(*cells.shape):
        for axis in range(3):
            other = list(place)
            other[axis] += 1
            if other[axis] < cells.shape[axis]:
                one, two = diffusivity[place], diffusivity[tuple(other)]
                flow = STEP / SPACING**2 * 2 * one * two / (one + two) * (cells[tuple(other)] - cells[place])
                expected[place] += flow
                expected[tuple(other)] -= flow
    diffuse(cells, diffusion_weights(diffusivity, STEP, SPACING))
    np.testing.assert_allclose(cells, expected, rtol=1e-5)


def test_every_eigenvalue_of_the_step_lies_between_0_and_1() -> None:
    diffusivity = np.full((4, 4, 4), FRONT_WIDTH_MM**2, np.float32)
    weights = diffusion_weights(diffusivity, STEP, SPACING)
    columns = []
    for place in np.ndindex(4, 4, 4):
        unit = np.zeros((4, 4, 4))
        unit[place] = 1
        diffuse(unit, weights)
        columns.append(unit.ravel())
    values = np.linalg.eigvalsh(np.array(columns))
    assert values.min() >= -1e-6
    assert values.max() <= 1 + 1e-6


def test_no_checkerboard_between_odd_and_even_voxels() -> None:
    rng = np.random.default_rng(2)
    tissues = uniform_tissue()
    tissues[1] = ndimage.gaussian_filter(rng.uniform(0, 1, (32, 32, 32)), 2) * 0.9
    tissues[2] = 1 - tissues[1]
    arrival = grow(tissues, replace(TRAITS, volume_ml=120))
    odd = np.indices(arrival.shape).sum(axis=0) % 2 == 1
    reached = arrival < 0.8 * arrival[arrival < NEVER].max()
    assert reached[odd].sum() / reached.sum() == pytest.approx(0.5, abs=0.03)
    neighbours = ndimage.generate_binary_structure(3, 1) / 6
    neighbours[1, 1, 1] = 0
    residual = arrival - ndimage.convolve(arrival, neighbours)
    inner = ndimage.binary_erosion(reached, iterations=2)
    assert reached.sum() > 500
    assert abs(residual[inner & odd].mean() - residual[inner & ~odd].mean()) < 0.01


def test_front_speed_is_fishers() -> None:
    """The front of u_t = D u_xx + u (1 - u) tends to 2 √D from below, as 2 - 3 / (2 t) (Bramson 1983)."""
    diffusivity = np.full((160, 1, 1), FRONT_WIDTH_MM**2, np.float32)
    arrival = tumour._front(diffusivity, np.array([[0, 0, 0]]), np.zeros(1), 130.0, 1.0)[:, 0, 0]
    later, earlier = arrival[100], arrival[60]
    expected = FRONT_WIDTH_MM * (2 - 1.5 / ((later + earlier) / 2))
    assert 40 / (later - earlier) == pytest.approx(expected, rel=0.06)


def test_white_matter_is_faster_and_fluid_is_never_entered() -> None:
    tissues = uniform_tissue()
    tissues[1, :16], tissues[2, :16] = 1, 0
    tissues[0, :, :, 20:], tissues[1, :, :, 20:], tissues[2, :, :, 20:] = 1, 0, 0
    arrival = grow(tissues)
    assert (arrival[:, :, 20:] == NEVER).all()
    assert arrival[20, 16, 16] < arrival[11, 16, 16]


def test_volume_is_the_one_asked_for() -> None:
    arrival = grow(uniform_tissue())
    end = time_at_volume(arrival, 40, SPACING)
    assert (arrival <= end).sum() * SPACING**3 / 1000 == pytest.approx(40, rel=0.05)  # symmetric voxels arrive together


def test_growth_without_room_ends() -> None:
    tissues = np.zeros((3, 16, 16, 16), np.float32)
    tissues[0] = 1
    tissues[:, 8, 8, 8] = (0, 0, 1)
    arrival = grow(tissues, seed=(8, 8, 8))
    assert (arrival < NEVER).sum() == 1


def test_regions_are_nested() -> None:
    arrival = grow(uniform_tissue())
    labels = label_tumour(np.random.default_rng(0), arrival, np.ones(arrival.shape, bool), TRAITS, SPACING)
    volumes = np.bincount(labels.ravel(), minlength=7) * SPACING**3 / 1000
    assert volumes[4:].sum() == pytest.approx(40, rel=0.05)
    assert (volumes[NECROTIC] + volumes[ENHANCING]) / volumes[4:].sum() == pytest.approx(0.4, abs=0.08)
    around_necrosis = ndimage.binary_dilation(labels == NECROTIC) & (labels != NECROTIC)
    assert np.isin(labels[around_necrosis], (ENHANCING, OEDEMA)).all()
    assert (labels[around_necrosis] == ENHANCING).mean() > 0.7


def test_rim_decides_what_enhances() -> None:
    arrival, everywhere = grow(uniform_tissue()), np.ones((32, 32, 32), bool)
    low_grade = label_tumour(np.random.default_rng(0), arrival, everywhere, replace(TRAITS, rim_mm=0), SPACING)
    solid = label_tumour(np.random.default_rng(0), arrival, everywhere, replace(TRAITS, rim_mm=99), SPACING)
    assert set(np.unique(low_grade)) == {0, NECROTIC, OEDEMA}
    assert set(np.unique(solid)) == {0, OEDEMA, ENHANCING}


def test_tumour_stays_where_it_is_allowed() -> None:
    arrival = grow(uniform_tissue())
    allowed = np.ones(arrival.shape, bool)
    allowed[:, :, 17:] = False
    labels = label_tumour(np.random.default_rng(0), arrival, allowed, TRAITS, SPACING)
    assert (labels[:, :, 17:] == 0).all()


def test_push_is_outwards_invertible_and_spares_the_outside() -> None:
    arrival = grow(uniform_tissue())
    inside = np.zeros(arrival.shape, np.float32)
    inside[4:28, 4:28, 4:28] = 1
    displacement = mass_effect(arrival, inside, TRAITS, SPACING)
    assert displacement[0, 22, 16, 16] < -1  # what is seen right of the core came from nearer to it
    assert displacement[0, 10, 16, 16] > 1
    assert jacobian(displacement, SPACING).min() > 0
    assert np.abs(displacement[:, :2]).max() < 0.2


def test_specks_are_dropped_and_holes_stay() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:10, 2:10, 2:10] = True
    mask[5, 5, 5] = False
    mask[15, 15, 15] = True
    kept = largest_parts(mask, SPACING)
    assert not kept[15, 15, 15]
    assert not kept[5, 5, 5]
    assert kept.sum() == 8**3 - 1


def test_cortex_swells_later_and_places_never_reached_stay_so() -> None:
    arrival = np.array([0.0, 1.0, 4.0, NEVER], np.float32).reshape(4, 1, 1)
    tissues = np.zeros((3, 4, 1, 1), np.float32)
    tissues[2] = 1
    np.testing.assert_array_equal(sparing_cortex(arrival, tissues), arrival)
    tissues[1], tissues[2] = 1, 0
    later = sparing_cortex(arrival, tissues) - arrival
    np.testing.assert_allclose(later.ravel(), [4 * CORTEX_SPARED] * 3 + [0], rtol=1e-5)
