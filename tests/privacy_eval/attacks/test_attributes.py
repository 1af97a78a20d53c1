"""T11: attributes told by the nearest synthetic image, and the residual risk."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from privacy_eval.attacks.attributes import TumourAttributes, infer, residual_risk, successes
from privacy_eval.errors import InputError
from privacy_eval.statistics.counts import CountPair, wilson


def naive_attributes(labels: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, list[float] | None, float]:
    size = enhancing = 0
    total = [0.0] * labels.ndim
    for voxel in np.ndindex(*labels.shape):
        if labels[voxel] in (4, 5, 6):
            size += 1
            enhancing += int(labels[voxel] == 6)
            total = [sum_ + at * length for sum_, at, length in zip(total, voxel, spacing, strict=True)]
    volume = size * math.prod(spacing) / 10 ** labels.ndim
    return volume, [t / size for t in total] if size else None, enhancing / size if size else 0.0


def naive_successes(subject: np.ndarray, guess: np.ndarray, spacing: tuple[float, ...]) -> dict[str, bool]:
    (volume, place, share), (their_volume, their_place, their_share) = (
        naive_attributes(labels, spacing) for labels in (subject, guess))
    if place is None or their_place is None:
        neither = place is None and their_place is None
        return {"volume": neither, "place": neither, "enhancement": (share > 0) == (their_share > 0)}
    factor = max(volume / their_volume, their_volume / volume)
    return {"volume": factor < 1.5 + 1e-9, "place": math.dist(place, their_place) <= 20,
            "enhancement": (share > 0) == (their_share > 0)}


def tumours(n: int, rng: np.random.Generator, grid: tuple[int, ...]) -> np.ndarray:
    """Label maps with a box of tumour, some small, some without, some that do not enhance."""
    labels = rng.integers(0, 4, (n, *grid))
    for image in labels[: -(n // 4)]:
        low = [rng.integers(0, length) for length in grid]
        part = image[tuple(slice(at, at + rng.integers(1, 5)) for at in low)]
        part[...] = rng.integers(4, rng.integers(6, 8), part.shape)
    return labels


@given(st.integers(0, 999), st.sampled_from([((6, 7, 5), (4.0, 3.0, 5.0)), ((9, 9), (6.0, 6.0))]))
@settings(max_examples=20)
def test_successes_are_those_counted_by_hand(seed: int, case: tuple[tuple[int, ...], tuple[float, ...]]) -> None:
    grid, spacing = case
    rng = np.random.default_rng(seed)
    subjects, guesses = tumours(12, rng, grid), rng.permutation(tumours(12, rng, grid))
    found = successes(subjects, guesses, spacing)
    expected = [naive_successes(*pair, spacing) for pair in zip(subjects, guesses, strict=True)]
    assert list(found) == ["volume", "place", "enhancement"]
    for name, right in found.items():
        np.testing.assert_array_equal(right, [each[name] for each in expected])


def test_attributes_of_a_known_tumour() -> None:
    labels = np.zeros((2, 10, 10, 10), int)
    labels[:, 1:9, 1:9, 1:9] = 3
    labels[0, 6:8, 2:4, 2:4] = 5
    labels[0, 6, 2:4, 2:4] = 6
    found = TumourAttributes.of(labels, 5.0)
    np.testing.assert_allclose(found.volume, [8 * 0.125, 0])
    np.testing.assert_allclose(found.centroid[0], [32.5, 12.5, 12.5])
    assert np.isnan(found.centroid[1]).all()
    np.testing.assert_allclose(found.enhancing_share, [0.5, 0])
    assert found.enhancing.tolist() == [True, False]
    assert found.upper_side.tolist() == [True, False]
    assert not TumourAttributes.of(labels[:, ::-1], 5.0).upper_side.any()


@pytest.mark.parametrize(("size", "right"), [(3, False), (4, True), (6, True), (9, True), (10, False)])
def test_volume_is_right_within_a_factor(size: int, right: bool) -> None:
    subject, guess = np.zeros((1, 1, 12), int), np.zeros((1, 1, 12), int)
    subject[0, 0, :6], guess[0, 0, :size] = 5, 5
    assert successes(subject, guess, 1.1)["volume"][0] == right


def test_a_copy_in_the_release_tells_a_members_tumour() -> None:
    rng = np.random.default_rng(0)
    members, holdout, others = (tumours(40, rng, (8, 8, 8)) for _ in range(3))
    known, stranger_known, other_known = (rng.normal(size=(40, 5)) for _ in range(3))
    release, release_known = np.concatenate([others, members]), np.concatenate([other_known, known])
    main = infer(known, members, release_known, release, 8.0)
    control = infer(stranger_known, holdout, release_known, release, 8.0)
    for name in main:
        assert main[name].all()
        risk = residual_risk(CountPair(40, 40, int(control[name].sum()), 40))
        assert risk.risk.low > 0
        assert not risk.warning


def test_the_nearest_image_of_a_patient_is_attacked() -> None:
    rng = np.random.default_rng(1)
    labels = tumours(6, rng, (6, 6))
    known = np.arange(1.0, 7)[:, None]
    release = np.array([[1.1], [4.0], [6.4]])
    guesses = tumours(3, rng, (6, 6))
    owners = np.array([1, 1, 0, 0, 2, 2])
    found = infer(known, labels, release, guesses, 4.0, owners)
    expected = successes(labels[[3, 0, 5]], guesses[[1, 0, 2]], 4.0)
    for name, right in found.items():
        np.testing.assert_array_equal(right, expected[name])


def naive_ratio_bound(main: float, main_limit: float, control: float, control_limit: float, side: int) -> float:
    """The ratio R at which the bound of main − R control (limits combined by squares) is 0, by bisection."""
    def bound(ratio: float) -> float:
        return main - ratio * control + side * math.hypot(main - main_limit, ratio * (control_limit - control))
    return float(brentq(bound, 0, 1e6, xtol=1e-13)) if bound(0) * bound(1e6) < 0 else math.inf


@given(st.integers(2, 80), st.integers(2, 80), st.data())
@settings(max_examples=60)
def test_residual_risk_carries_wilson_limits_to_the_ratio(n_members: int, n_holdout: int, data: st.DataObject) -> None:
    right = CountPair(data.draw(st.integers(1, n_members - 1)), n_members,
                      data.draw(st.integers(0, n_holdout - 1)), n_holdout)
    found = residual_risk(right, 0.9)
    main, control = 1 - right.members / n_members, 1 - right.holdout / n_holdout
    main_limits = wilson(n_members - right.members, n_members, 0.9)
    control_limits = wilson(n_holdout - right.holdout, n_holdout, 0.9)
    least = naive_ratio_bound(main, main_limits[0], control, control_limits[1], -1)
    most = naive_ratio_bound(main, main_limits[1], control, control_limits[0], 1)
    assert found.risk.value == pytest.approx(max(-1, (control - main) / control), abs=1e-9)
    assert found.risk.high == pytest.approx(max(-1, 1 - least), abs=1e-6)
    assert found.risk.low == pytest.approx(max(-1, 1 - most), abs=1e-6)
    assert found.warning == (right.members * n_holdout <= right.holdout * n_members)


@pytest.mark.parametrize(("members", "holdout", "value", "low", "high"), [
    (20, 20, 0, -1, 1), (15, 20, -1, -1, None), (20, 0, 1, None, 1), (0, 20, -1, -1, -1), (0, 0, 0, None, None)])
def test_residual_risk_of_rates_at_their_ends(members: int, holdout: int, value: float, low: float | None,
                                              high: float | None) -> None:
    found = residual_risk(CountPair(members, 20, holdout, 20))
    assert found.risk.value == pytest.approx(value)
    assert low is None or found.risk.low == pytest.approx(low)
    assert high is None or found.risk.high == pytest.approx(high)
    assert found.warning == (members <= holdout)


def test_residual_risk_of_large_counts_is_the_plain_ratio() -> None:
    found = residual_risk(CountPair(70_000, 100_000, 40_000, 100_000))
    assert found.risk.value == pytest.approx((0.7 - 0.4) / 0.6)
    assert found.risk.high - found.risk.low < 0.02
    assert (found.main, found.control) == (0.7, 0.4)


@pytest.mark.parametrize("rate", [0.3, 0.6, 0.9, 0.95])
def test_the_lower_bound_keeps_its_level_under_the_null(rate: float) -> None:
    counts = np.random.default_rng(2).binomial(60, rate, (2000, 2))
    low = [residual_risk(CountPair(int(m), 60, int(h), 60)).risk.low for m, h in counts]
    assert np.mean(np.array(low) > 0) < 0.07


def test_bad_label_maps_are_refused() -> None:
    labels = np.zeros((2, 4, 4), int)
    with pytest.raises(InputError, match="expected one guess a subject"):
        successes(labels, labels[:1], 1.0)
    with pytest.raises(InputError, match="values 0 to 9"):
        successes(labels, np.where(np.eye(4) > 0, 9, labels), 1.0)
    assert all(len(right) == 0 for right in successes(labels[:0], labels[:0], 1.0).values())
