from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fl_components.guard.ledger import GENESIS, Ledger
from privacy_eval.errors import InputError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "site" / "ledger.jsonl")
    for number in range(4):
        ledger.append({"task": "train", "round": number})
    return ledger


def test_chain_is_whole_and_in_order(ledger: Ledger) -> None:
    entries = ledger.entries()
    assert [entry["sequence"] for entry in entries] == [0, 1, 2, 3]
    assert entries[0]["previous"] == GENESIS
    assert [e["previous"] for e in entries[1:]] == [e["hash"] for e in entries[:-1]]
    assert ledger.verify() is None


@pytest.mark.parametrize(("damage", "line"), [
    (lambda lines: [lines[0], lines[1].replace('"round": 1', '"round": 9'), *lines[2:]], "line 2"),
    (lambda lines: [lines[0], *lines[2:]], "line 2"),
    (lambda lines: lines[1:], "line 1"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1"),
])
def test_changed_removed_or_moved_entry_is_found(ledger: Ledger, damage: object, line: str) -> None:
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join(damage(lines)) + "\n")  # type: ignore[operator]
    problem = ledger.verify()
    assert problem is not None
    assert line in problem


def test_entry_rewritten_with_its_own_new_hash_breaks_the_next(ledger: Ledger) -> None:
    forged = Ledger(ledger.path.with_name("forged.jsonl"))
    forged.append({"task": "train", "round": 99})
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join([forged.path.read_text().strip(), *lines[1:]]) + "\n")
    assert "line 2" in str(ledger.verify())


def test_two_writers_do_not_fork_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: Ledger(path).append({"k": k}), range(40)))
    assert Ledger(path).verify() is None
    assert len(Ledger(path).entries()) == 40


def test_values_json_cannot_hold_are_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ledger.append({"norm": float("nan")})
    assert len(ledger.entries()) == 4


def test_garbage_is_one_clear_line(ledger: Ledger) -> None:
    ledger.path.write_text(json.dumps({"a": 1}) + "\n{half")
    with pytest.raises(InputError, match="line 2 is not JSON"):
        ledger.entries()
