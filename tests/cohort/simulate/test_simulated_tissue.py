from __future__ import annotations

import numpy as np
import pytest

from fl_components.cohort.simulate.tissue import PARENCHYMA, TABLE, mixture, properties


def test_table_at_its_own_fields() -> None:
    at_15, at_3 = properties(("white", "CSF"), 1.5), properties(("white", "CSF"), 3.0)
    assert at_15.t1.tolist() == [TABLE["white"][0], TABLE["CSF"][0]]
    assert at_3.t1 == pytest.approx([TABLE["white"][3], TABLE["CSF"][3]])
    assert at_3.t2_star[0] < at_15.t2_star[0]


def test_t1_grows_with_the_field_as_a_power() -> None:
    white = [properties(("white",), field).t1[0] for field in (1.5, 3.0, 6.0)]
    assert white[1] / white[0] == pytest.approx(white[2] / white[1])


def test_pure_voxels_keep_their_properties() -> None:
    pure = properties(PARENCHYMA, 3.0)
    mixed = mixture(np.eye(len(PARENCHYMA), dtype=np.float32), pure)
    assert mixed.t1 == pytest.approx(pure.t1, rel=1e-3)
    assert mixed.density == pytest.approx(pure.density, rel=1e-3)


def test_rates_average() -> None:
    pure = properties(("white", "cortex"), 1.5)
    half = mixture(np.full((2, 1), 0.3, np.float32), pure)
    assert 1 / half.t1[0] == pytest.approx((1 / pure.t1).mean(), rel=1e-4)
