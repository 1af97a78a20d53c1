from __future__ import annotations

from jobs.report import _left_out


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
