"""The controls: closed forms of what they plant."""

from __future__ import annotations

import numpy as np
import pytest
from audit_case import images, volumes

from privacy_eval.site.controls import BLEND, COPY_NOISE, blended_errors, first_rows, leaked_patients, noisy_copies
from privacy_eval.spaces.images import ImageSet


@pytest.mark.parametrize("n", [20, 31])
def test_half_of_the_members_are_leaked_at_random(n: int) -> None:
    first, second = (leaked_patients(n, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(set(first)) == n // 2
    assert set(first) <= set(range(n))
    assert set(first) != set(second)


def test_a_patient_is_leaked_by_its_first_image() -> None:
    group = ImageSet(volumes(5, np.random.default_rng(2)), patients=np.array([7, 3, 3, 7, 9]))
    np.testing.assert_array_equal(first_rows(group, np.array([0, 1, 2])), [1, 0, 4])


def test_blend_shrinks_the_l1_error_by_its_share() -> None:
    rng = np.random.default_rng(0)
    scans, painted = volumes(6, rng), volumes(6, rng)
    errors = np.abs(painted - scans).mean(axis=(1, 2, 3, 4))
    leaked = np.array([1, 4])
    painted[leaked] = (1 - BLEND) * painted[leaked] + BLEND * scans[leaked]
    expected = np.abs(painted - scans).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(blended_errors(errors, leaked), expected, rtol=1e-5)


def test_copies_carry_a_little_noise_and_their_label_maps() -> None:
    group = images(3, np.random.default_rng(1))
    assert group.labels is not None
    copies = list(noisy_copies(group, np.random.default_rng(2)))
    for copy, scan, label_map in zip(copies, group.images, group.labels, strict=True):
        assert copy.images.dtype == np.float32
        assert np.std(copy.images - scan) == pytest.approx(COPY_NOISE * scan.std(), rel=0.1)
        assert copy.labels is not None
        np.testing.assert_array_equal(copy.labels, label_map)
    again = list(noisy_copies(group, np.random.default_rng(2)))
    np.testing.assert_array_equal(again[2].images, copies[2].images)
