"""Measures against bodies whose volumes, surfaces and places are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.anatomy.measures import MEASURES, count_foci, measure_anatomy, sphericity, surface_mm2
from fl_components.study import Grid
from fl_components.vocabulary import ENHANCING, GREY_MATTER, NECROTIC, OEDEMA, WHITE_MATTER

GRID = Grid(shape=(48, 48, 48), spacing_mm=2.0)


def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    squared = sum((axis - middle) ** 2 for axis, middle in zip(np.indices(GRID.shape), centre, strict=True))
    return np.asarray(squared <= radius**2)


def head(tumour_at: tuple[float, float, float] = (30.0, 20.0, 26.0), radius: float = 7.0) -> np.ndarray:
    labels = np.where(ball((23.5, 23.5, 23.5), 22), GREY_MATTER, 0)
    labels[ball((23.5, 23.5, 23.5), 14)] = WHITE_MATTER
    labels[ball(tumour_at, radius)] = OEDEMA
    labels[ball(tumour_at, 0.8 * radius)] = ENHANCING
    labels[ball(tumour_at, 0.5 * radius)] = NECROTIC
    return labels.astype(np.uint8)


def test_balls_volume_surface_shares_and_place() -> None:
    found = measure_anatomy(head(), GRID)
    assert tuple(found) == MEASURES
    assert found["tumour_ml"] == pytest.approx(4 / 3 * np.pi * 14**3 / 1000, rel=0.03)
    assert found["tumour_surface_ratio"] == pytest.approx(3 / 14, rel=0.06)
    assert found["tumour_compactness"] == pytest.approx(1, abs=0.05)
    assert found["oedema_share"] == pytest.approx(1 - 0.8**3, abs=0.05)
    assert found["necrosis_share"] == pytest.approx(0.5**3, abs=0.03)
    assert found["foci"] == 1
    assert (found["lateral_mm"], found["anterior_mm"], found["superior_mm"]) == pytest.approx((13, -7, 5), abs=0.5)


@settings(max_examples=10)
@given(st.floats(4, 12), st.floats(15, 30), st.floats(15, 30))
def test_place_and_side_do_not_change_size_and_shape(radius: float, x: float, y: float) -> None:
    one, mirrored = (measure_anatomy(head((place, y, 24.0), radius), GRID) for place in (x, 47 - x))
    for name in ("tumour_ml", "lateral_mm", "tumour_compactness", "oedema_share"):
        assert one[name] == pytest.approx(mirrored[name], rel=0.05, abs=0.1)


def test_a_stick_is_less_compact_than_a_ball() -> None:
    stick = np.zeros(GRID.shape, bool)
    stick[4:44, 20:28, 20:28] = True
    area = surface_mm2(stick, GRID)
    assert area == pytest.approx((4 * 40 * 8 + 2 * 64) * 4, rel=0.12)
    assert sphericity(stick.sum() * 8, area) < 0.8


def test_foci_are_counted_without_specks() -> None:
    mask = ball((12, 12, 12), 6) | ball((36, 36, 36), 5)
    mask[2, 40, 2] = True
    assert count_foci(mask) == 2


def test_a_healthy_brain_has_no_tumour_measures() -> None:
    labels = np.where(np.isin(head(), (OEDEMA, ENHANCING, NECROTIC)), WHITE_MATTER, head())
    found = measure_anatomy(labels, GRID)
    assert found["tumour_ml"] == 0
    assert found["foci"] == 0
    assert np.isnan(found["tumour_compactness"])
