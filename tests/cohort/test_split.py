from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_components.cohort.split import make_split, read_split, settle_split
from fl_components.study import CohortSettings
from privacy_eval.errors import InputError

SHARES = CohortSettings()
NAMES = [f"case{k:02d}" for k in range(20)]


@given(st.sets(st.text("abcdef", min_size=1), max_size=60), st.floats(0.01, 0.49), st.floats(0.01, 0.49),
       st.integers(0, 2**63))
def test_a_split_is_a_partition_by_the_shares(names: set[str], holdout: float, test: float, seed: int) -> None:
    split = make_split(names, CohortSettings(holdout=holdout, test=test), seed)
    assert sorted(split.subjects) == sorted(names)
    assert abs(len(split.holdout) - holdout * len(names)) <= 0.5
    assert abs(len(split.test) - test * len(names)) <= 0.5


def test_it_depends_on_the_seed_and_not_on_the_order() -> None:
    assert make_split(NAMES, SHARES, 1) == make_split(reversed(NAMES), SHARES, 1)
    assert make_split(NAMES, SHARES, 1) != make_split(NAMES, SHARES, 2)


def test_every_subject_is_equally_likely_in_the_holdout() -> None:
    draws = 600
    counts = dict.fromkeys(NAMES, 0)
    for seed in range(draws):
        for name in make_split(NAMES, SHARES, seed).holdout:
            counts[name] += 1
    # Binomial with standard deviation .02 of the draws: five of them.
    assert all(abs(count / draws - 0.4) < 0.1 for count in counts.values())


def test_one_subject_is_a_member() -> None:
    assert make_split(["only"], SHARES, 0).members == ("only",)


def test_a_second_call_reads_the_first_ones_split(tmp_path: Path) -> None:
    path = tmp_path / "cohort" / "split.json"
    first = settle_split(path, NAMES, SHARES)
    assert settle_split(path, NAMES, SHARES, seed=5) == first == read_split(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["split.json"]


def test_the_seed_is_the_sites_or_the_systems(tmp_path: Path) -> None:
    assert settle_split(tmp_path / "a.json", NAMES, SHARES, seed=5).seed == 5
    drawn = {settle_split(tmp_path / f"{k}.json", NAMES, SHARES).seed for k in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(("names", "expected"), [
    ([*NAMES, "new"], r"1 added \(such as new\)"),
    (NAMES[2:], r"2 removed \(such as case00\)"),
    ([*NAMES[1:], "new"], r"1 added .* and 1 removed"),
])
def test_subjects_that_came_or_went(tmp_path: Path, names: list[str], expected: str) -> None:
    path = tmp_path / "split.json"
    settle_split(path, NAMES, SHARES)
    before = path.read_bytes()
    with pytest.raises(InputError, match=expected):
        settle_split(path, names, SHARES)
    assert path.read_bytes() == before


def test_shares_that_changed_and_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    settle_split(path, NAMES, SHARES)
    with pytest.raises(InputError, match=r"holdout 0\.4 and test 0\.2, but the study says 0\.3 and 0\.2"):
        settle_split(path, NAMES, CohortSettings(holdout=0.3))
    path.write_text(path.read_text().replace("case00", "case01"))
    with pytest.raises(InputError, match="not a readable split"):
        read_split(path)
    with pytest.raises(InputError, match="no such file"):
        read_split(tmp_path / "other.json")
