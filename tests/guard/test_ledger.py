from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.guard.anchor import Anchor, read_anchor, write_anchor
from fl_components.guard.chain import GENESIS, chained, to_line
from fl_components.guard.ledger import Ledger
from privacy_eval.errors import InputError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "site" / "ledger.jsonl")
    for number in range(4):
        ledger.append({"task": "train", "round": number, "norm": number / 3})
    return ledger


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger whose tests put it back as it was."""
    ledger = Ledger(tmp_path_factory.mktemp("written") / "ledger.jsonl")
    for number in range(3):
        ledger.append({"reason": "größer", "norm": 1e-9 * number, "tensors": [{"name": "a", "bytes": number}]})
    return ledger


def test_chain_is_whole_and_in_order(ledger: Ledger) -> None:
    entries = ledger.entries()
    assert [entry["sequence"] for entry in entries] == [0, 1, 2, 3]
    assert entries[0]["previous"] == GENESIS
    assert [e["previous"] for e in entries[1:]] == [e["hash"] for e in entries[:-1]]
    assert ledger.verify() is None
    assert read_anchor(ledger.anchor) == Anchor(4, entries[-1]["hash"])
    assert ledger.check()[:2] == (4, entries[-1]["hash"])


@pytest.mark.parametrize(("damage", "line"), [
    (lambda lines: [lines[0], lines[1].replace('"round": 1', '"round": 9'), *lines[2:]], "line 2"),
    (lambda lines: [lines[0], *lines[2:]], "line 2"),
    (lambda lines: lines[1:], "line 1"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1"),
    (lambda lines: [lines[0], lines[1].replace(": ", ":  ", 1), *lines[2:]], "line 2"),
    (lambda lines: [*lines[:3], lines[3].replace('"norm": 1.0', '"norm": 1.00')], "line 4"),
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


@settings(max_examples=300)
@given(data=st.data())
def test_any_single_changed_byte_is_found(written: Ledger, data: st.DataObject) -> None:
    content = written.path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    written.path.write_bytes(content[:place] + bytes([value]) + content[place + 1:])
    problem = written.verify()
    written.path.write_bytes(content)
    assert problem is not None
    assert written.verify() is None


@settings(max_examples=100)
@given(data=st.data())
def test_anything_cut_off_the_end_is_found(written: Ledger, data: st.DataObject) -> None:
    content = written.path.read_bytes()
    written.path.write_bytes(content[:data.draw(st.integers(0, len(content) - 1))])
    problem = written.verify()
    with pytest.raises(InputError, match="its anchor names 3"):
        written.append({"task": "train"})
    written.path.write_bytes(content)
    assert problem is not None


def test_entries_cut_off_are_named_with_what_the_anchor_knows(ledger: Ledger) -> None:
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[:2]))
    assert "holds 2 whole entries, but its anchor names 4" in str(ledger.verify())
    ledger.path.unlink()
    assert "holds 0 whole entries, but its anchor names 4" in str(ledger.verify())


def test_a_whole_new_ledger_contradicts_the_anchor(ledger: Ledger) -> None:
    other = Ledger(ledger.path.with_name("other.jsonl"))
    for number in range(5):
        other.append({"task": "train", "round": -number})
    ledger.path.write_bytes(other.path.read_bytes())
    assert "written anew" in str(ledger.verify())
    with pytest.raises(InputError, match="written anew"):
        ledger.append({"task": "train"})


def test_an_anchor_kept_elsewhere_finds_what_both_files_hide(ledger: Ledger) -> None:
    kept = read_anchor(ledger.anchor)
    ledger.append({"task": "audit"})
    assert ledger.check(kept).problem is None
    lines = ledger.path.read_bytes().splitlines(keepends=True)[:2]
    ledger.path.write_bytes(b"".join(lines))
    write_anchor(ledger.anchor, Anchor(2, json.loads(lines[-1])["hash"]))
    assert ledger.check().problem is None  # nothing at the site can tell
    assert "kept elsewhere" in str(ledger.check(kept).problem)


def test_a_crash_before_the_anchor_is_no_tampering_and_is_written_down(ledger: Ledger) -> None:
    before = ledger.anchor.read_bytes()
    ledger.append({"task": "audit", "decision": "sent"})
    ledger.anchor.write_bytes(before)
    check = ledger.check()
    assert check.problem is None
    assert "before it was anchored" in check.notes[0]
    ledger.append({"task": "train"})
    assert [entry.get("decision") for entry in ledger.entries()[4:]] == ["sent", "recovered", None]
    assert "entry 4" in ledger.entries()[5]["reason"]
    assert ledger.check()[2:] == (None, ())


def test_two_entries_beyond_the_anchor_are_no_crash(ledger: Ledger) -> None:
    before = ledger.anchor.read_bytes()
    for _ in range(2):
        ledger.append({"task": "train"})
    ledger.anchor.write_bytes(before)
    assert "line 6 and what follows are not in its anchor" in str(ledger.verify())


@pytest.mark.parametrize("torn", [b"{", b'{"round": 7, "ta', b"\0" * 40, '{"reason": "ä'.encode()[:-1]])
def test_a_torn_line_is_moved_aside_and_written_down(ledger: Ledger, torn: bytes) -> None:
    with ledger.path.open("ab") as stream:
        stream.write(torn)
    check = ledger.check()
    assert check.problem is None
    assert f"{len(torn)} bytes" in check.notes[0]
    ledger.append({"task": "train", "round": 4})
    recovered, new = ledger.entries()[4:]
    assert (recovered["decision"], recovered["torn_bytes"], new["round"]) == ("recovered", len(torn), 4)
    kept = ledger.torn.last()
    assert kept is not None
    assert (kept["bytes"], kept["previous"]) == (len(torn), recovered["previous"])
    assert kept["time"]
    assert ledger.check()[2:] == (None, ())


def test_a_line_whose_beginning_never_reached_the_disk_is_torn(ledger: Ledger) -> None:
    with ledger.path.open("ab") as stream:
        stream.write(b"\0\0\0\0\"}\n")
    assert ledger.check().notes
    ledger.append({"task": "train"})
    assert [entry.get("torn_bytes") for entry in ledger.entries()[4:]] == [7, None]


def test_a_crash_within_the_recovery_loses_nothing(ledger: Ledger) -> None:
    ledger.torn.keep(b"{half", ledger.entries()[-1]["hash"])  # moved; the process died before the entry
    ledger.append({"task": "train"})
    assert [entry.get("torn_bytes") for entry in ledger.entries()[4:]] == [5, None]
    ledger.append({"task": "train"})
    assert len(ledger.entries()) == 7


def test_a_ledger_without_an_anchor_says_so_once(ledger: Ledger) -> None:
    ledger.anchor.unlink()
    assert "ledger.anchor beside it is missing" in str(ledger.verify())
    ledger.append({"task": "train"})
    assert "no anchor was found beside 4 entries" in ledger.entries()[4]["reason"]
    assert ledger.verify() is None


def test_a_damaged_anchor_is_one_clear_line(ledger: Ledger) -> None:
    ledger.anchor.write_text("4")
    assert "not an anchor" in str(ledger.verify())
    with pytest.raises(InputError, match="not an anchor"):
        ledger.append({"task": "train"})


@settings(max_examples=100)
@given(data=st.data())
def test_any_single_changed_byte_of_the_anchor_is_found_or_says_the_same(written: Ledger, data: st.DataObject) -> None:
    content, anchor = written.anchor.read_bytes(), read_anchor(written.anchor)
    place = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    written.anchor.write_bytes(content[:place] + bytes([value]) + content[place + 1:])
    problem = written.verify()
    says_the_same = problem is None and read_anchor(written.anchor) == anchor  # such as a tab for a blank
    written.anchor.write_bytes(content)
    assert problem is not None or says_the_same


def test_two_threads_do_not_fork_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: Ledger(path).append({"k": k}), range(40)))
    assert Ledger(path).verify() is None
    assert len(Ledger(path).entries()) == 40


def append_many(path: Path, writer: int, count: int) -> None:
    for number in range(count):
        Ledger(path).append({"writer": writer, "number": number})


def test_two_processes_do_not_fork_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    processes = [multiprocessing.get_context("fork").Process(target=append_many, args=(path, writer, 30))
                 for writer in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    entries = Ledger(path).entries()
    assert Ledger(path).check()[2:] == (None, ())
    for writer in range(2):
        assert [e["number"] for e in entries if e["writer"] == writer] == list(range(30))


APPEND_FOR_EVER = """
import sys
from pathlib import Path
from fl_components.guard.ledger import Ledger
number = int(sys.argv[2])
while True:
    Ledger(Path(sys.argv[1])).append({"number": number, "padding": "x" * 20000})
    print(number, flush=True)
    number += 1
"""


def test_kill_at_any_moment_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    acknowledged: list[int] = []
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", APPEND_FOR_EVER, str(ledger.path), str(1000 * attempt)],
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in (first, *process.stdout.read().splitlines())]
        process.wait()
        assert ledger.verify() is None
        ledger.append({"number": -1})
        assert ledger.check()[2:] == (None, ())
    there = {entry.get("number") for entry in ledger.entries()}
    assert len(acknowledged) >= 8
    assert set(acknowledged) <= there


def test_every_torn_length_of_a_line_is_recovered(tmp_path: Path) -> None:
    """What a kill seldom hits: the write itself, cut at every byte."""
    line = to_line(chained({"task": "train"}, 1, "0" * 64))
    for size in range(1, len(line), 7):
        ledger = Ledger(tmp_path / str(size) / "ledger.jsonl")
        ledger.append({"task": "summarise"})
        with ledger.path.open("ab") as stream:
            stream.write(line[:size])
        ledger.append({"task": "train"})
        assert [entry.get("torn_bytes") for entry in ledger.entries()] == [None, size, None]


def test_values_json_cannot_hold_are_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ledger.append({"norm": float("nan")})
    assert len(ledger.entries()) == 4


@pytest.mark.parametrize("garbage", ["{half", "[1]", "null"])
def test_garbage_is_one_clear_line(ledger: Ledger, garbage: str) -> None:
    ledger.path.write_text(json.dumps({"a": 1}) + f"\n{garbage}\n")
    with pytest.raises(InputError, match="line 2 is not JSON"):
        ledger.entries()
