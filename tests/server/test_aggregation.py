from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean
from small_run import small_study

from fl_components.guard.declaration import clipped, declare, tensor_norm
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.server.aggregation import aggregate, trimmed_mean, weighted_mean
from fl_components.study import Study
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
WEIGHTS = weights_of(build_generator(STUDY))
SITES = ("a", "b", "c", "d")
NAMES = ("x", "y")
Update = dict[str, np.ndarray]


def study(aggregation: str, **federation: object) -> Study:
    return Study.parse(small_study(sites={"a": 5.0, "b": 1.0, "c": 1.0, "d": 1.0},
                                   federation={"aggregation": aggregation, **federation}), "test")


def update(value: float) -> Update:
    return {name: np.full(field.shape, value, field.dtype) for name, field in declare("train", STUDY).items()}


def updates(values: np.ndarray) -> dict[str, Update]:
    """Of values (4, 5): two tensors of each site."""
    return {site: {"x": row[:2], "y": row[2:].reshape(3, 1)} for site, row in zip(SITES, values, strict=True)}


def flat(tensors: Update) -> np.ndarray:
    return np.concatenate([tensors["x"], tensors["y"].ravel()])


FOUR = arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32))
HUGE = 2.0**100
RULES = ("median", "trimmed_mean")
FEW = settings(max_examples=30)


@FEW
@given(east=st.floats(-1, 1), west=st.floats(-1, 1))
def test_mean_has_the_studys_weights(east: float, west: float) -> None:
    mean = aggregate(STUDY, {"east": update(east), "west": update(west)}, WEIGHTS)
    assert set(mean) == set(WEIGHTS)
    for value in mean.values():
        np.testing.assert_allclose(value, (2 * east + west) / 3, atol=1e-6)
        assert value.dtype == np.float32


def test_a_sites_claims_change_nothing() -> None:
    claim = update(1.0) | {"loss.l1": np.array(1e9)}
    plain = aggregate(STUDY, {"east": update(1.0), "west": update(0.0)}, WEIGHTS)
    claimed = aggregate(STUDY, {"east": claim, "west": update(0.0)}, WEIGHTS)
    for name in WEIGHTS:
        np.testing.assert_array_equal(plain[name], claimed[name])


def test_the_weights_are_those_of_the_sites_that_count() -> None:
    for value in aggregate(STUDY, {"west": update(0.5)}, WEIGHTS).values():
        np.testing.assert_allclose(value, 0.5)
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    three = {site: fields for site, fields in updates(values).items() if site != "b"}
    np.testing.assert_allclose(flat(aggregate(study("mean"), three, NAMES)),
                               (5 * values[0] + values[2] + values[3]) / 7, rtol=1e-6)


@FEW
@given(values=FOUR)
def test_rules_agree_with_their_naive_selves(values: np.ndarray) -> None:
    columns = [sorted(map(float, column)) for column in values.T]
    np.testing.assert_allclose(flat(aggregate(study("median"), updates(values), NAMES)),
                               [(column[1] + column[2]) / 2 for column in columns], atol=1e-4)
    np.testing.assert_allclose(flat(aggregate(study("trimmed_mean", trim=0.25), updates(values), NAMES)),
                               trim_mean(values, 0.25, axis=0), atol=1e-4)


@FEW
@given(values=FOUR, order=st.permutations(range(4)))
@pytest.mark.parametrize("rule", RULES)
def test_robust_rules_know_no_site(rule: str, values: np.ndarray, order: list[int]) -> None:
    one = flat(aggregate(study(rule), updates(values), NAMES))
    np.testing.assert_allclose(flat(aggregate(study(rule), updates(values[order]), NAMES)), one, atol=1e-4)


@FEW
@given(values=FOUR, outlier=st.floats(-HUGE, HUGE, width=32), who=st.integers(0, 3), gone=st.booleans())
@pytest.mark.parametrize("rule", RULES)
def test_one_outlier_stays_within_the_others(rule: str, values: np.ndarray, outlier: float, who: int,
                                             gone: bool) -> None:
    """Also where one of the others is absent."""
    honest = np.delete(values, who, axis=0)
    poisoned = updates(np.where(np.arange(4)[:, None] == who, np.float32(outlier), values))
    if gone:
        honest = honest[1:]
        del poisoned[SITES[0 if who else 1]]
    made = flat(aggregate(study(rule), poisoned, NAMES))
    assert (made >= honest.min(axis=0) - 1e-4).all()
    assert (made <= honest.max(axis=0) + 1e-4).all()


@FEW
@given(values=FOUR)
def test_nothing_trimmed_is_the_plain_mean(values: np.ndarray) -> None:
    np.testing.assert_allclose(trimmed_mean(values, 0), weighted_mean(list(values), [1.0] * 4), atol=1e-4)


@pytest.mark.parametrize(("n", "trim", "left"), [(4, 0.25, 2), (3, 0.25, 1), (5, 0.2, 3), (10, 0.1, 8), (4, 0.49, 2),
                                                 (3, 0.01, 1), (2, 0.25, 2), (1, 0.25, 1)])
def test_at_either_end_equally_many_are_trimmed(n: int, trim: float, left: int) -> None:
    values = np.arange(n, dtype=np.float32) ** 2
    cut = (n - left) // 2
    np.testing.assert_allclose(trimmed_mean(values[:, None], trim), [values[cut:n - cut].mean()])


@FEW
@given(values=FOUR, bound=st.floats(0.1, 100))
def test_clipping_keeps_the_direction_and_bounds_the_norm(values: np.ndarray, bound: float) -> None:
    one = updates(values)["a"]
    norm, short = tensor_norm(one), clipped(one, bound)
    assert tensor_norm(short) <= bound * (1 + 1e-5)
    np.testing.assert_allclose(flat(short) * max(norm, bound), flat(one) * bound, rtol=1e-4, atol=1e-2)
    assert flat(clipped(one, norm + 1)).tolist() == flat(one).tolist()


@FEW
@given(values=FOUR, factor=st.floats(1, 1e6))
def test_a_clipped_site_moves_the_mean_by_its_weight_times_the_bound(values: np.ndarray, factor: float) -> None:
    sent = updates(values)
    with_all = aggregate(study("mean", clip_norm=2.0), sent, NAMES)
    sent["b"] = {name: np.float32(factor) * value for name, value in sent["b"].items()}
    moved = flat(aggregate(study("mean", clip_norm=2.0), sent, NAMES)) - flat(with_all)
    assert np.linalg.norm(moved) <= 1 / 8 * 2 * 2.0 + 1e-4


@pytest.mark.parametrize(("sites", "federation", "words"), [
    (2, {"aggregation": "median"}, "aggregation = 'median' with 2 site(s), expected at least 3"),
    (2, {"aggregation": "trimmed_mean"}, "with 2 site(s)"),
    (4, {"aggregation": "median", "minimum_updates": 2}, "minimum_updates = 2 with aggregation = 'median'"),
    (2, {"minimum_updates": 3}, "minimum_updates = 3, but the study has 2 site(s)"),
    (4, {"aggregation": "krum"}, "federation.aggregation"),
    (4, {"aggregation": "trimmed_mean", "trim": 0.5}, "federation.trim"),
    (4, {"clip_norm": 0}, "federation.clip_norm"),
])
def test_what_cannot_work_is_refused_in_the_study(sites: int, federation: dict[str, object], words: str) -> None:
    names = {f"site{k}": 1.0 for k in range(sites)}
    with pytest.raises(InputError) as error:
        Study.parse(small_study(sites=names, federation=federation), "study.toml")
    assert words in str(error.value)
    assert "study.toml: key 'federation" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("sites", "rule", "least"), [(1, "mean", 1), (2, "mean", 2), (3, "mean", 2), (4, "mean", 3),
                                                      (5, "mean", 3), (3, "median", 3), (7, "trimmed_mean", 4)])
def test_by_default_most_sites_are_needed(sites: int, rule: str, least: int) -> None:
    made = Study.parse(small_study(sites={f"site{k}": 1.0 for k in range(sites)},
                                   federation={"aggregation": rule}), "test")
    assert made.federation.least_updates(sites) == least
