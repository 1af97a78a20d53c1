from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.intervals import interval_of, interval_of_mean


def test_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = interval_of_mean(values)
    half = stats.norm.ppf(0.975) * values.std() / 20
    assert found["mean"] == pytest.approx(values.mean())
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.02)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.02)
    assert found["n"] == 400


def test_subjects_are_drawn_together() -> None:
    """The ratio of two samples that are multiples of each other does not vary, however subjects are drawn."""
    values = np.random.default_rng(0).uniform(0.1, 1, 30)
    found = interval_of(lambda a, b, axis=-1: a.mean(axis=axis) / b.mean(axis=axis), (0.5 * values, values))
    assert found["low"] == pytest.approx(0.5)
    assert found["high"] == pytest.approx(0.5)


def test_same_values_same_interval() -> None:
    values = np.random.default_rng(1).uniform(size=20)
    assert interval_of_mean(values) == interval_of_mean(values)
