from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fl_components.training.states import keep_only, latest_state, load_state, save_state, training_folder
from privacy_eval.errors import InputError

ONE, OTHER = "1" * 32, "2" * 32


@given(rounds=st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_the_newest_earlier_state_is_found_whatever_was_asked_again(
        tmp_path_factory: pytest.TempPathFactory, rounds: list[int]) -> None:
    folder = tmp_path_factory.mktemp("states")
    for k, number in enumerate(rounds):
        save_state(folder, number, {"written": torch.tensor(k), "rounds": number})
        kept = sorted(int(path.stem[-4:]) for path in folder.glob("*"))
        assert len(kept) <= 2
        assert kept[-1] == number
        found = load_state(folder, number)
        assert found is not None
        assert (found["rounds"], int(found["written"])) == (number, k)
    assert load_state(folder, -1) is None


def test_the_round_before_stays_so_that_a_round_can_be_asked_again(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save_state(tmp_path, number, {"rounds": number})
    assert load_state(tmp_path, 2) == {"rounds": 2}
    assert load_state(tmp_path, 1) is None


def test_states_of_other_trainings_go_and_nothing_else(tmp_path: Path) -> None:
    mine, other = training_folder(tmp_path, ONE), training_folder(tmp_path, OTHER)
    save_state(mine, 1, {})
    save_state(other, 4, {})
    (mine.parent / "received.safetensors").write_bytes(b"x")
    (mine.parent / "notes").mkdir()
    assert latest_state(tmp_path) in (mine / "round-0001.pt", other / "round-0004.pt")
    keep_only(mine)
    assert latest_state(tmp_path) == mine / "round-0001.pt"
    assert sorted(path.name for path in mine.parent.iterdir()) == [ONE, "notes", "received.safetensors"]


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"a": torch.zeros(10)})
    file = tmp_path / "round-0001.pt"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"round-0001\.pt: not a training state"):
        load_state(tmp_path, 1)


@pytest.mark.parametrize("training", ["", "../../etc", "A" * 32, "1" * 31, "1" * 33, "1" * 32 + "\n"])
def test_an_identity_that_could_be_a_path_is_refused(tmp_path: Path, training: str) -> None:
    with pytest.raises(InputError, match="expected 32 hexadecimal digits"):
        training_folder(tmp_path, training)
