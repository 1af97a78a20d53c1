from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_run import small_study

from fl_components.guard.declaration import declare
from fl_components.server.admission import Admission, update_refusal
from fl_components.server.ask import Replies
from fl_components.study import Study

Update = dict[str, np.ndarray]

STUDY = Study.parse(small_study(), "test")
FOUR = Study.parse(small_study(sites={"a": 4.0, "b": 1.0, "c": 1.0, "d": 1.0}), "test")


def update(value: float) -> Update:
    return {name: np.full(field.shape, value, field.dtype) for name, field in declare("train", STUDY).items()}


def four(**others: Update) -> dict[str, Update]:
    return {site: others.get(site, update(0.01 * k)) for k, site in enumerate(FOUR.sites, 1)}


def test_good_update_is_admitted() -> None:
    assert update_refusal(STUDY, "east", update(0.01)) is None


BAD: list[tuple[Callable[[Update], Update], str]] = [
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"] * np.nan}, "NaN"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"] + np.float32(np.inf)}, "infinity"),
    (lambda u: u | {"loss.l1": np.array(np.nan)}, "NaN"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"][:1]}, "shape"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"].astype(np.float16)}, "type"),
    (lambda u: u | {"stem.conv.weight": u["stem.conv.weight"].astype(object)}, "type object"),
    (lambda u: u | {"stem.conv.weight": 1.0}, "is float, expected an array"),  # type: ignore[dict-item]
    (lambda u: {k: v for k, v in u.items() if k != "head.bias"}, "'head.bias' is missing"),
    (lambda _: {}, "is missing"),
    (lambda u: u | {"extra": np.zeros(1, np.float32)}, "'extra' is not declared"),
    (lambda u: u | {"weight": np.array(1e9)}, "'weight' is not declared"),
    (lambda u: {k: np.asarray(v + 1e3, v.dtype) for k, v in u.items()}, "norm"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_update_is_left_out_and_named(change: Callable[[Update], Update], words: str) -> None:
    assert words in str(update_refusal(STUDY, "east", change(update(0.01))))
    admission = Admission(FOUR)
    admitted = admission.admit(2, Replies(four(b=change(update(0.01))), [], []))
    assert list(admitted) == ["a", "c", "d"]
    [row] = admission.rejected
    assert (row["round"], row["site"]) == (3, "b")
    assert words in row["reason"]


def test_stranger_is_not_admitted() -> None:
    assert "not a site" in str(update_refusal(STUDY, "north", update(0.01)))


def test_a_round_goes_on_without_an_absent_site() -> None:
    admission = Admission(FOUR)
    admission.admit(0, Replies(four(), [], []))
    answers = {site: update(0.1 + 0.01 * k) for k, site in enumerate("dba")}
    assert list(admission.admit(1, Replies(answers, ["c"], []))) == ["a", "b", "d"]
    assert admission.absent == [{"round": 2, "site": "c"}]
    assert admission.rejected == []


def test_too_few_updates_end_the_job_and_everybody_left_out_is_named() -> None:
    answers = {"a": update(0.1), "b": update(0.05), "c": update(np.nan)}
    with pytest.raises(RuntimeError) as error:
        Admission(FOUR).admit(0, Replies(answers, ["d"], [("stranger", "it was not asked")]))
    message = str(error.value)
    assert "2 admitted update(s)" in message
    assert "minimum_updates is 3" in message
    for name in ("'c' rejected", "'stranger' rejected: it was not asked", "from site(s) d"):
        assert name in message
    assert "\n" not in message


def test_the_studys_minimum_counts() -> None:
    study = Study.parse(small_study(sites=dict(FOUR.sites), federation={"minimum_updates": 1}), "test")
    assert list(Admission(study).admit(0, Replies({"b": update(0.1)}, ["a", "c", "d"], []))) == ["b"]
    with pytest.raises(RuntimeError, match="has 0 admitted"):
        Admission(study).admit(0, Replies({}, list("abcd"), []))


def test_a_repeated_update_is_rejected_whatever_its_losses_say() -> None:
    admission = Admission(FOUR)
    admission.admit(0, Replies(four(), [], []))
    fresh = {site: update(0.1 + 0.01 * k) for k, site in enumerate("acd")}
    again = four()["b"] | {"loss.l1": np.array(0.123)}
    assert "b" not in admission.admit(1, Replies({**fresh, "b": again}, [], []))
    assert admission.rejected == [{"round": 2, "site": "b", "reason": "it repeats an update of an earlier round"}]


def test_the_sign_of_a_zero_makes_no_new_update() -> None:
    admission = Admission(FOUR)
    admission.admit(0, Replies(four(b=update(0.0)), [], []))
    fresh = {site: update(0.1 + 0.01 * k) for k, site in enumerate("acd")}
    assert "b" not in admission.admit(1, Replies({**fresh, "b": update(-0.0)}, [], []))


def test_two_sites_may_send_the_same() -> None:
    admission = Admission(FOUR)
    assert list(admission.admit(0, Replies({site: update(0.1) for site in "abcd"}, [], []))) == list("abcd")


def test_a_reason_stays_one_short_line() -> None:
    admission = Admission(FOUR)
    admission.admit(0, Replies(four(b=update(0.1) | {"x\n" * 5000: np.zeros(1)}), [], []))
    reason = admission.rejected[0]["reason"]
    assert "\n" not in reason
    assert len(reason) < 250
