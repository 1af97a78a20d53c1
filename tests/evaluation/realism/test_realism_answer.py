"""What leaves a site: fixed names, refused where impossible, summed over sites by closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_components.evaluation.realism.answer import (
    REALISM_MEASURES,
    RIM_AUC,
    Measured,
    RealismStatistics,
    combine_realism,
    realism_names,
)
from privacy_eval.errors import InputError

MEASURED = st.builds(Measured, st.floats(0, 1), st.floats(1e-6, 10))
ANSWERS = st.builds(RealismStatistics, st.integers(20, 500), st.integers(20, 500),
                    st.dictionaries(st.sampled_from(REALISM_MEASURES), MEASURED))


@given(ANSWERS)
def test_an_answer_survives_its_journey_under_the_declared_names(answer: RealismStatistics) -> None:
    scalars = answer.to_scalars()
    assert tuple(scalars) == realism_names()
    assert RealismStatistics.from_scalars("north", scalars) == answer


@pytest.mark.parametrize(("name", "value", "said"), [
    ("rim.auc.value", 1.2, "from 0 to 1"),
    ("rim.auc.error", -1.0, "standard error"),
    ("mmd.T1.value", math.nan, "finite"),
    ("n_real", 2.5, "whole number"),
    ("n_synthetic", 0.0, "both or neither 0"),
])
def test_the_impossible_is_refused_with_site_and_scalar(name: str, value: float, said: str) -> None:
    answer = RealismStatistics(30, 60, dict.fromkeys(REALISM_MEASURES, Measured(0.5, 0.1)))
    with pytest.raises(InputError, match=f"north.*{said}"):
        RealismStatistics.from_scalars("north", answer.to_scalars() | {name: value})


def test_missing_and_unknown_names_and_talk_of_an_abstaining_site_are_refused() -> None:
    scalars = RealismStatistics.abstention().to_scalars()
    with pytest.raises(InputError, match="unknown 'more'"):
        RealismStatistics.from_scalars("north", scalars | {"more": 1.0})
    with pytest.raises(InputError, match="lacks"):
        RealismStatistics.from_scalars("north", {key: scalars[key] for key in list(scalars)[1:]})
    with pytest.raises(InputError, match="abstains"):
        RealismStatistics.from_scalars("north", scalars | {"rim.auc.value": 0.5, "rim.auc.error": 0.1})


def test_sites_weigh_by_their_subjects_and_their_errors_are_independent() -> None:
    sites = [RealismStatistics(30, 60, {RIM_AUC: Measured(0.9, 0.1)}),
             RealismStatistics(10, 60, {RIM_AUC: Measured(0.5, 0.3)}),
             RealismStatistics.abstention(), RealismStatistics(25, 60)]
    found = combine_realism(sites)
    assert (found.n_real, found.n_synthetic) == (65, 60)
    assert found.values[RIM_AUC].value == pytest.approx(0.75 * 0.9 + 0.25 * 0.5)
    assert found.values[RIM_AUC].error == pytest.approx(math.hypot(0.075, 0.075))
    low, high = found.interval(RIM_AUC)
    assert (low, high) == (pytest.approx(0.8 - 1.95996 * 0.10607, abs=1e-4), 1.0)


def test_a_sum_over_sites_that_all_abstained_is_refused() -> None:
    with pytest.raises(InputError, match="abstained"):
        combine_realism([RealismStatistics.abstention()])
