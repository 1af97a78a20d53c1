from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from small_run import write_run
from startup_kit import make_party, write_kit
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.run_folder import RunFolder
from poc_workspace.lockdown import lock_site


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["site", "doctor", *(str(a) for a in arguments)])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A site with one case and all else as it should be."""
    run = write_run(tmp_path / "run", subjects=1)
    (run.site_folder("east") / "state").mkdir(mode=0o700)
    return run


def statuses(result: Result) -> dict[str, str]:
    return {one["check"]: one["status"] for one in json.loads(result.stdout)["findings"]}


def test_help_shows_an_example() -> None:
    assert "Example: fedsynth site doctor" in " ".join(call("--help").output.split())


def test_all_well_is_exit_code_0_and_a_table(run: RunFolder) -> None:
    result = call(run.path, "--site", "east", "--study-hash", run.study().hash)
    assert result.exit_code == 0, result.output
    assert "to_fix: 0" in result.stdout
    for heading in ("check", "found", "expected", "what to do"):
        assert heading in result.stdout
    assert statuses(call(run.site_file("east"), "--format", "json"))["study hash"] == "look"


def test_something_to_fix_is_exit_code_1_and_says_what_to_do(run: RunFolder) -> None:
    (run.site_folder("east") / "state").chmod(0o755)
    site = run.site_file("east")
    site.write_text(site.read_text().replace("simulated = true", "simulated = false"))
    result = call(run.path, "--site", "east")
    assert result.exit_code == 1
    assert "chmod 700" in result.stdout
    as_json = call(run.site_file("east"), "--format", "json")
    assert as_json.exit_code == 1
    found = json.loads(as_json.stdout)
    assert (found["site"], found["to_fix"]) == ("east", 1)
    assert all(set(one) == {"check", "status", "found", "expected", "advice"} for one in found["findings"])


def test_kit_and_its_unreachable_server(run: RunFolder, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    authority = make_party("study")
    kit = write_kit(tmp_path / "kit", make_party("east", authority), authority, "east", address)
    lock_site(kit, run.site_file("east"))
    result = call(run.path, "--site", "east", "--kit", kit, "--format", "json")
    assert result.exit_code == 1
    assert {name for name, status in statuses(result).items() if status == "fix"} == {"server"}
    (kit / "startup" / "fed_client.json").unlink()
    assert statuses(call(run.path, "--site", "east", "--kit", kit, "--format", "json"))["server"] == "fix"


def test_a_lock_down_that_is_not_todays_is_found(run: RunFolder, tmp_path: Path) -> None:
    authority, site = make_party("study"), run.site_file("east")
    kit = write_kit(tmp_path / "kit", make_party("east", authority), authority, "east", "127.0.0.1:1")
    asked = (site, "--kit", kit, "--format", "json")

    def found() -> dict[str, str]:
        return next(one for one in json.loads(call(*asked).stdout)["findings"] if one["check"] == "lock-down's content")

    assert (found()["status"], found()["found"]) == (
        "fix", "resources.json, authorization.json, privacy.json in local/ differ")
    lock_site(kit, site)
    assert (found()["status"], found()["advice"]) == ("ok", "")
    site.write_text(re.sub(r"tasks = \[.*?\]", 'tasks = ["summarise", "train"]', site.read_text(), flags=re.DOTALL))
    assert found()["found"] == "resources.json, privacy.json in local/ differ"
    assert f"fedsynth site lock-down {site} --kit {kit}', then start the site again" in found()["advice"]
    (kit / "startup/fed_client.json").unlink()
    assert "no startup kit of a site" in found()["found"]


def test_everything_is_looked_at_even_without_a_study(run: RunFolder) -> None:
    run.study_file.unlink()
    found = statuses(call(run.site_file("east"), "--format", "json"))
    assert found["study"] == "fix"
    assert (found["disk"], found["memory"]) == ("look", "look")
    assert "clock" in found


@pytest.mark.parametrize(("arguments", "words"), [
    (["nowhere.toml"], "no such file"),
    (["run"], "name the site with --site"),
    (["run", "--site", "north"], "no such file"),
    (["run/sites/east/site.toml", "--site", "east"], "leave it out"),
    (["run", "--site", "east", "--server", "a.org"], "HOST:PORT"),
    (["run", "--site", "east", "--kit", "run"], "no folder 'startup'"),
    (["run", "--site", "east", "--study-hash", "abc"], "hexadecimal"),
    (["run", "--site", "east", "--study-hash", "x" * 64], "hexadecimal"),
])
def test_bad_input_is_one_line_and_exit_code_2(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
