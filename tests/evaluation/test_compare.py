from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fl_components.evaluation.compare import Moments, combine, difference, mean_score, over_seeds, ratio, strata
from privacy_eval.errors import InputError

RNG = np.random.default_rng(0)
SITES = np.repeat(["east", "west"], [30, 10])
REFERENCE = RNG.uniform(0.6, 0.9, 40)


def test_equal_scores_differ_by_nothing() -> None:
    found = difference(REFERENCE, REFERENCE, SITES)
    assert (found.estimate, found.low, found.high, found.n) == (0, 0, 0, 40)
    alike = ratio(REFERENCE, REFERENCE, SITES)
    assert (alike.estimate, alike.low, alike.high) == (1, 1, 1)


def test_pairs_and_strata_take_out_what_subjects_and_sites_share() -> None:
    """A gain that is constant within each site has no spread, however much subjects and sites differ."""
    gain = np.where(SITES == "east", 0.1, -0.3)
    found = difference(REFERENCE + gain, REFERENCE, SITES)
    assert (found.low, found.high) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert found.estimate == pytest.approx((30 * 0.1 - 10 * 0.3) / 40)


def test_interval_is_near_the_normal_one() -> None:
    noise = RNG.normal(0.02, 0.1, 400)
    sites = np.repeat([0, 1], 200)
    found = difference(noise, np.zeros(400), sites)
    half = 1.96 * np.sqrt(sum(noise[sites == site].var(ddof=1) / 200 for site in (0, 1)) / 4)
    assert (found.low, found.high) == pytest.approx((noise.mean() - half, noise.mean() + half), abs=0.003)


def test_subjects_without_the_region_are_left_out() -> None:
    ours = np.where(np.arange(40) < 3, np.nan, REFERENCE + 0.1)
    assert difference(ours, REFERENCE, SITES).n == mean_score(ours, SITES).n == 37
    assert difference(ours, REFERENCE, SITES).estimate == pytest.approx(0.1)


def test_a_site_of_one_joins_the_largest() -> None:
    groups = strata(np.array(["a", "b", "b", "b", "c", "c"]))
    assert [sorted(group.tolist()) for group in groups] == [[0, 1, 2, 3], [4, 5]]
    assert [sorted(group.tolist()) for group in strata(np.array(["a", "b"]))] == [[0, 1]]
    assert mean_score(np.array([0.2, 0.4, 0.4, 0.4]), np.array(["a", "b", "b", "b"])).n == 4


@pytest.mark.parametrize("there", [0, 1])
def test_fewer_than_two_subjects_are_refused(there: int) -> None:
    scores = np.full(40, np.nan)
    scores[:there] = 0.5
    with pytest.raises(InputError, match="at least 2"):
        mean_score(scores, SITES)
    with pytest.raises(InputError, match="at least 2"):
        Moments.of(scores)


def test_seeds_are_averaged_for_each_subject() -> None:
    np.testing.assert_allclose(over_seeds([np.array([0.0, 1.0, np.nan]), np.array([1.0, 1.0, np.nan])]),
                               [0.5, 1.0, np.nan])


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.integers(0, 100))
def test_moments_of_sites_give_the_pooled_mean(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.normal(k, 1, size) for k, size in enumerate(sizes)]
    found = combine({str(k): Moments.of(part) for k, part in enumerate(values)})
    assert found.n == sum(sizes)
    assert found.estimate == pytest.approx(np.concatenate(values).mean())
    assert found.low < found.estimate < found.high


def test_one_site_has_students_interval() -> None:
    values = RNG.normal(0, 1, 12)
    found = combine({"only": Moments.of(values)})
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_two_sites_of_one_size_have_welchs_interval() -> None:
    first, second = RNG.normal(0, 1, 15), RNG.normal(3, 4, 15)
    found = combine({"a": Moments.of(first), "b": Moments.of(second)})
    welch = stats.ttest_ind(first, -second, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((welch.low / 2, welch.high / 2))


def test_no_spread_no_width_and_no_site_no_answer() -> None:
    assert combine({"a": Moments(0.1, 0.0, 5)}).low == 0.1
    with pytest.raises(InputError, match="no site"):
        combine({})
