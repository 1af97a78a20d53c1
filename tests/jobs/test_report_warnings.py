from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jobs.report import _left_out, _unasked

STUDY: Any = SimpleNamespace(sites={"east": 1.0, "west": 1.0})


def test_a_full_training_warns_of_nobody() -> None:
    assert _left_out({"status": "done", "rejected": [], "absent": []}) == []
    assert _left_out({"status": "done"}) == []


def test_who_was_left_out_is_named_with_rounds_and_reason() -> None:
    rejected = [{"round": 1, "site": "east", "reason": "norm 1e+04"}, {"round": 3, "site": "east", "reason": "NaN"},
                {"round": 4, "site": "east", "reason": "NaN"}]
    absent = [{"round": 2, "site": "west"}, {"round": 4, "site": "west"}]
    assert _left_out({"rejected": rejected, "absent": absent}) == [
        "Site 'west' did not answer in rounds 2, 4 of training, which went on without it.",
        "The update of site 'east' was rejected in round 1 of training: norm 1e+04.",
        "The update of site 'east' was rejected in rounds 3, 4 of training: NaN."]


def test_who_was_not_asked_for_some_rounds_is_named() -> None:
    curves = [{"round": number, "site": site} for number in (1, 2, 3, 4) for site in ("east", "west")]
    assert _unasked(STUDY, {"rounds": 4, "curves": curves}) == []
    assert _unasked(STUDY, {}) == []  # trained elsewhere
    trained = {"rounds": 4, "curves": [row for row in curves if row["site"] == "east" or row["round"] == 4],
               "absent": [{"round": 1, "site": "west"}], "rejected": []}
    assert _unasked(STUDY, trained) == [
        "Site 'west' was not asked in rounds 2, 3 of training: it had failed, or was not there."]
    masked = [{"round": 1, "site": "all sites", "sites": ["east"]}]
    assert _unasked(STUDY, {"rounds": 1, "curves": masked})[0].startswith("Site 'west' was not asked in round 1")
