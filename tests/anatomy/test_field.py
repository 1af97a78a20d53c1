from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.anatomy.field import random_field, separable


@settings(max_examples=15)
@given(scale=st.floats(0.8, 12.0), seed=st.integers(0, 2**32 - 1))
def test_unit_variance_at_every_voxel(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fields = np.stack([random_field(rng, (5, 6, 4), scale) for _ in range(300)])
    assert np.abs(fields.mean(axis=0)).max() < 0.35
    assert fields.std(axis=0) == pytest.approx(1, abs=0.3)


def test_neighbours_are_correlated_by_the_scale() -> None:
    field = random_field(np.random.default_rng(0), (60, 60, 60), 4.0)
    correlation = np.corrcoef(field[:-4].ravel(), field[4:].ravel())[0, 1]
    assert correlation == pytest.approx(np.exp(-0.25), abs=0.06)  # Gaussian bumps of sigma s correlate as sigma s·√2


def test_separable_is_the_product_along_each_axis() -> None:
    rng = np.random.default_rng(1)
    volume = rng.normal(size=(2, 3, 4, 5))
    matrices = [rng.normal(size=(new, old)) for new, old in ((6, 3), (2, 4), (7, 5))]
    expected = np.einsum("cxyz,ax,by,dz->cabd", volume, *matrices)
    np.testing.assert_allclose(separable(volume, matrices), expected)
