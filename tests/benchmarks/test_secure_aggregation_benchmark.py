"""What is timed is the same round, plain and masked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_run import small_study

from benchmarks.secure_aggregation import SITES, a_round, compare, studies, update_of
from fl_components.guard.declaration import tensor_norm
from fl_components.study import Study

PLAIN, SECURE = (Study.parse(small_study(sites=SITES, federation={"secure_aggregation": secure}), "test")
                 for secure in (False, True))


def test_both_ways_give_the_same_mean(tmp_path: Path) -> None:
    updates = {name: update_of(PLAIN, k) for k, name in enumerate(SITES)}
    plain, masked = (a_round(study, masked, updates, tmp_path, "job")[0]
                     for masked, study in ((False, PLAIN), (True, SECURE)))
    for name, value in plain.items():
        np.testing.assert_allclose(masked[name], value, atol=1e-6)


def test_a_row_for_plain_and_one_for_masked_updates() -> None:
    plain, masked = compare(PLAIN, SECURE, 1)
    assert (plain["updates"], masked["updates"]) == ("plain", "masked")
    assert plain["bytes"] - masked["bytes"] == 3 * 4  # three losses of 8 bytes, masked of 4
    assert max(plain["typical_error"], masked["typical_error"]) < 1e-6


def test_sizes_and_norm_are_as_said() -> None:
    for study, at_least in zip(studies().values(), (2.5e5, 1e6), strict=True):
        update = update_of(study, 0)
        assert sum(value.size for value in update.values()) > at_least
        assert abs(tensor_norm(update) - 2) < 0.05
