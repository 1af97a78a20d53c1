from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_run import write_run
from typer.testing import CliRunner, Result

from fl_components.guard.ledger import Ledger
from jobs.cli import app
from jobs.run_folder import RunFolder

SENT = {"time": "2027-01-31T12:00:00+00:00", "task": "audit", "round": 0, "decision": "sent", "bytes": 48, "norm": 1.25,
        "tensors": [{"name": "a"}, {"name": "b"}], "scalars": {}, "epsilon_before": 0.5, "epsilon_spent": 1.5}
REFUSED = {"time": "2027-01-31T12:00:01+00:00", "task": "train", "round": 3, "decision": "refused",
           "reason": "the norm [is] too large"}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["ledger", *(str(a) for a in arguments)])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two sites, of which one has sent something."""
    run = write_run(tmp_path / "run", subjects=0)
    for entry in (SENT, REFUSED):
        ledger_of(run).append(dict(entry))
    return run


def ledger_of(run: RunFolder) -> Ledger:
    return Ledger(run.site_folder("east") / "ledger.jsonl")


@pytest.mark.parametrize("command", ["verify", "show"])
def test_help_shows_an_example(command: str) -> None:
    assert f"Example: fedsynth ledger {command}" in " ".join(call(command, "--help").output.split())


def test_intact_is_exit_code_0(run: RunFolder) -> None:
    result = call("verify", run.path)
    assert result.exit_code == 0, result.output
    assert f"intact east: 2 entries, last hash {ledger_of(run).entries()[-1]['hash']}" in result.stdout
    assert "intact west: 0 entries" in result.stdout


def test_broken_is_exit_code_1_and_names_the_first_broken_entry(run: RunFolder) -> None:
    ledger = ledger_of(run)
    ledger.path.write_text(ledger.path.read_text().replace("1.25", "1.26"))
    result = call("verify", ledger.path)
    assert result.exit_code == 1
    assert "line 1 was changed after it was written" in result.stdout
    as_json = call("verify", run.path, "--format", "json")
    assert as_json.exit_code == 1
    found = json.loads(as_json.stdout)
    assert found["intact"] is False
    assert "line 1" in found["ledgers"]["east"]["problem"]
    assert found["ledgers"]["west"]["problem"] is None
    assert call("verify", run.path, "--site", "west").exit_code == 0


def test_a_damaged_anchor_is_broken_too(run: RunFolder) -> None:
    ledger_of(run).anchor.write_text("?")
    result = call("verify", run.path)
    assert result.exit_code == 1
    assert "not an anchor" in result.stdout


def test_what_a_crash_left_is_told_but_no_break(run: RunFolder) -> None:
    with ledger_of(run).path.open("a") as stream:
        stream.write("{")
    result = call("verify", run.path)
    assert result.exit_code == 0
    assert "an unfinished entry of 1 bytes" in result.stdout


def test_a_kept_anchor_finds_a_ledger_that_was_begun_anew(run: RunFolder, tmp_path: Path) -> None:
    ledger, kept = ledger_of(run), tmp_path / "kept.anchor"
    kept.write_bytes(ledger.anchor.read_bytes())
    assert call("verify", ledger.path, "--anchor", kept).exit_code == 0
    ledger.path.unlink()
    ledger.anchor.unlink()
    ledger.append({"task": "train"})
    assert call("verify", ledger.path).exit_code == 0
    assert call("verify", ledger.path, "--anchor", kept).exit_code == 1


def test_show_prints_a_row_an_entry(run: RunFolder) -> None:
    result = call("show", run.path, "--site", "east")
    assert result.exit_code == 0
    sent, refused = (next(line for line in result.stdout.splitlines() if word in line)
                     for word in ("sent", "refused"))
    assert [cell.strip() for cell in sent.split("│")[2:-1]] == [
        "audit", "0", "48", "2", "1.25", "sent", "", "0.5", "1.5"]
    assert "the norm [is] too large" in refused
    assert "west" not in result.stdout


def test_show_as_json_gives_every_entry_in_full(run: RunFolder) -> None:
    result = call("show", run.path, "--format", "json")
    assert json.loads(result.stdout) == {"ledgers": {"east": ledger_of(run).entries(), "west": []}}


@pytest.mark.parametrize(("arguments", "words"), [
    (["nowhere"], "neither a run folder nor a ledger"),
    (["run", "--site", "north"], "the sites east, west"),
    (["run", "--anchor", "run/study.toml"], "holds 2; name one"),
    (["run/sites/east/ledger.jsonl", "--site", "east"], "leave the option out"),
    (["run/sites/east/ledger.jsonl", "--anchor", "nowhere"], "no such file"),
    (["run/sites/east/ledger.jsonl", "--anchor", "run/study.toml"], "not an anchor"),
])
def test_bad_input_is_one_line_and_exit_code_2(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("verify", *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
