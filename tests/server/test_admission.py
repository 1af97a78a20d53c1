from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import small_study

from fl_components.guard.declaration import declare
from fl_components.networks.build import build_generator, weights_of
from fl_components.server.admission import average, update_refusal
from fl_components.study import Study

STUDY = Study.parse(small_study(), "test")
WEIGHTS = weights_of(build_generator(STUDY))


def update(value: float) -> dict[str, np.ndarray]:
    return {name: np.full(field.shape, value, field.dtype) for name, field in declare("train", STUDY).items()}


def test_good_update_is_admitted() -> None:
    assert update_refusal(STUDY, "east", update(0.01)) is None


@pytest.mark.parametrize(("change", "words"), [
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"] * np.nan}, "NaN"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"][:1]}, "shape"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"].astype(np.float16)}, "type"),
    (lambda u: {k: v for k, v in u.items() if k != "head.bias"}, "'head.bias' is missing"),
    (lambda u: u | {"extra": np.zeros(1, np.float32)}, "'extra' is not declared"),
    (lambda u: {k: np.asarray(v + 1e3, v.dtype) for k, v in u.items()}, "norm"),
])
def test_bad_update_is_named(change: object, words: str) -> None:
    assert words in str(update_refusal(STUDY, "east", change(update(0.01))))  # type: ignore[operator]


def test_stranger_is_not_admitted() -> None:
    assert "not a site" in str(update_refusal(STUDY, "north", update(0.01)))


@settings(max_examples=25, deadline=None)
@given(east=st.floats(-1, 1), west=st.floats(-1, 1))
def test_average_has_the_studys_weights(east: float, west: float) -> None:
    mean = average(STUDY, {"east": update(east), "west": update(west)}, WEIGHTS)
    assert set(mean) == set(WEIGHTS)
    for value in mean.values():
        np.testing.assert_allclose(value, (2 * east + west) / 3, atol=1e-6)


def test_a_sites_claims_change_nothing() -> None:
    claim = update(1.0) | {"loss.l1": np.array(1e9)}
    plain = average(STUDY, {"east": update(1.0), "west": update(0.0)}, WEIGHTS)
    claimed = average(STUDY, {"east": claim, "west": update(0.0)}, WEIGHTS)
    for name in WEIGHTS:
        np.testing.assert_array_equal(plain[name], claimed[name])


def test_one_site_alone_counts_fully() -> None:
    for value in average(STUDY, {"west": update(0.5)}, WEIGHTS).values():
        np.testing.assert_allclose(value, 0.5)
