from __future__ import annotations

from pathlib import Path

import numpy as np
from small_run import prepare_run, write_run

from benchmarks.hospitals import all_simulated, load_hospitals, pooled, site_masks


def test_hospitals_are_read_site_by_site(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=5)
    prepare_run(run)
    members, test = load_hospitals(run, "members"), load_hospitals(run, "test")
    assert list(members) == ["east", "west"]
    assert {len(subjects) for subjects in members.values()} == {2}
    names = {s.name for s in pooled(members)}
    assert len(names) == 4
    assert not names & {s.name for s in pooled(test)}
    assert {len(subjects) for subjects in load_hospitals(run, "members", limit=1).values()} == {1}
    assert all_simulated(run)
    masks = site_masks(members)
    assert list(masks) == ["all", "east", "west"]
    assert masks["all"].all()
    np.testing.assert_array_equal(masks["west"], [s.name.startswith("west") for s in pooled(members)])
