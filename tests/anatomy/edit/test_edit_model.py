from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edit_case import file_of
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.anatomy.edit.model import EditFile, contradiction
from fl_components.anatomy.edit.regions import REGIONS
from privacy_eval.errors import InputError

REMOVE = {"edit": "remove"}
TRANSPLANT = {"edit": "transplant"}
VOLUMES = st.floats(0.5, 260)
EDITS = st.one_of(
    st.builds(lambda vector: {"edit": "move", "by_mm": vector}, st.lists(st.floats(-200, 200), min_size=3, max_size=3)),
    st.builds(lambda name, focus: {"edit": "move", "to": name, "focus": focus}, st.sampled_from(REGIONS),
              st.integers(1, 4)),
    st.builds(lambda factor: {"edit": "resize", "factor": factor}, st.floats(0.01, 100)),
    st.builds(lambda ml, name: {"edit": "add_focus", "volume_ml": ml, "to": name}, VOLUMES, st.sampled_from(REGIONS)),
    st.just({"edit": "compose", "necrosis": 0.2, "enhancement": 0.3, "oedema": 0.5}))


@settings(max_examples=40)
@given(EDITS, st.integers(0, 2**40))
def test_json_round_trip(edit: dict[str, Any], seed: int) -> None:
    file = file_of(edit, seed=seed)
    again = EditFile.parse(json.loads(file.model_dump_json()), "again")
    assert again == file
    assert again.hash == file.hash


def test_a_record_is_an_edit_file(tmp_path: Path) -> None:
    path = tmp_path / "edit.json"
    file = file_of(REMOVE).model_copy(update={"record": {"after": "abc"}})
    path.write_text(file.model_dump_json())
    assert EditFile.from_file(path) == file


@pytest.mark.parametrize(("edit", "words"), [
    ({"edit": "move", "to": "left cortex"}, ("left cortex", "left frontal")),
    ({"edit": "move"}, ("by_mm", "to")),
    ({"edit": "move", "by_mm": [1, 2, 3], "to": "left frontal"}, ("exactly one",)),
    ({"edit": "move", "by_mm": [900, 0, 0]}, ("900", "200")),
    ({"edit": "move", "by_mm": [float("nan"), 0, 0]}, ("nan",)),
    ({"edit": "resize", "volume_ml": -4}, ("-4", "0.5")),
    ({"edit": "resize", "volume_ml": 4000}, ("4000", "260")),
    ({"edit": "resize", "factor": -1}, ("-1",)),
    ({"edit": "resize"}, ("volume_ml", "factor")),
    ({"edit": "compose", "necrosis": 0.5, "enhancement": 0.5, "oedema": 0.5}, ("1.5", "sum to 1")),
    ({"edit": "compose", "necrosis": -0.5, "enhancement": 1, "oedema": 0.5}, ("-0.5",)),
    ({"edit": "add_focus", "volume_ml": 0}, ("0.5",)),
    ({"edit": "transplant", "donor": "a", "tumour": {"volume_ml": 9, "necrosis": 0, "enhancement": 0, "oedema": 1}},
     ("at most one",)),
    ({"edit": "remove", "focus": 0}, ("focus",)),
    ({"edit": "rotate"}, ("rotate", "move")),
    ({"edit": "remove", "speed": 3}, ("speed",)),
])
def test_what_no_edit_can_be_is_one_line(edit: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        file_of(edit)
    message = str(refused.value)
    assert message.startswith("edits.json: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_newer_version_is_refused_whatever_else_it_holds() -> None:
    with pytest.raises(InputError, match=r"^edits.json: key 'version': found 2, this fedsynth reads up to 1"):
        EditFile.parse({"version": 2, "seed": 0, "edits": [{"edit": "rotate"}], "new": 1}, "edits.json")


@pytest.mark.parametrize("data", [{"seed": 0, "edits": []}, {"edits": [REMOVE]},
                                  {"seed": -1, "edits": [REMOVE]}, {"seed": 0, "edits": [REMOVE], "author": "me"}])
def test_a_file_that_is_none_is_one_line(data: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        EditFile.parse(data, "edits.json")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("edits", "words"), [
    ([REMOVE, {"edit": "resize", "factor": 2}], "edits 1 (remove) and 2 (resize) contradict each other: the tumour is"),
    ([REMOVE, REMOVE], "edits 1 (remove) and 2 (remove)"),
    ([{"edit": "resize", "factor": 2}, TRANSPLANT], "there is a tumour by then"),
    ([{"edit": "resize", "volume_ml": 20}, {"edit": "resize", "volume_ml": 30}], "each states outright"),
    ([{"edit": "move", "to": "left frontal"}, {"edit": "resize", "factor": 2}, {"edit": "move", "to": "left insula"}],
     "edits 1 (move) and 3 (move)"),
])
def test_edits_that_contradict_each_other_are_named(edits: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InputError) as refused:
        file_of(*edits)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_edits_that_go_on_from_each_other_do_not_contradict() -> None:
    file = file_of({"edit": "resize", "factor": 2}, {"edit": "resize", "factor": 2}, {"edit": "resize", "volume_ml": 9},
                   REMOVE, TRANSPLANT, {"edit": "resize", "volume_ml": 20},
                   {"edit": "move", "to": "left frontal"}, {"edit": "move", "to": "left insula", "focus": 2})
    assert contradiction(file.edits) is None
