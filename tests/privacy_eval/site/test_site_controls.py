"""The controls: closed forms of what they plant."""

from __future__ import annotations

import numpy as np
import pytest
from audit_case import volumes

from privacy_eval.site.controls import BLEND, COPY_NOISE, blended_errors, leaked_members, noisy_copies


@pytest.mark.parametrize("n", [20, 31])
def test_half_of_the_members_are_leaked_at_random(n: int) -> None:
    first, second = (leaked_members(n, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(set(first)) == n // 2
    assert set(first) <= set(range(n))
    assert set(first) != set(second)


def test_blend_shrinks_the_l1_error_by_its_share() -> None:
    rng = np.random.default_rng(0)
    scans, painted = volumes(6, rng), volumes(6, rng)
    errors = np.abs(painted - scans).mean(axis=(1, 2, 3, 4))
    leaked = np.array([1, 4])
    painted[leaked] = (1 - BLEND) * painted[leaked] + BLEND * scans[leaked]
    expected = np.abs(painted - scans).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(blended_errors(errors, leaked), expected, rtol=1e-5)


def test_copies_carry_a_little_noise() -> None:
    rng = np.random.default_rng(1)
    scans = volumes(3, rng)
    copies = np.stack(list(noisy_copies(scans, np.array([2, 0]), rng)))
    assert copies.dtype == np.float32
    for copy, scan in zip(copies, scans[[2, 0]], strict=True):
        assert np.std(copy - scan) == pytest.approx(COPY_NOISE * scan.std(), rel=0.1)
