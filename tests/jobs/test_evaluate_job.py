"""What `fedsynth evaluate` says before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from rich.console import Console
from small_run import prepare_run, write_run
from test_cli import assert_refused, call

from fl_components.evaluation.arms import arms_of
from fl_components.toml_model import read_toml
from jobs.engine import Job
from jobs.evaluate import _asked, _progress, evaluate
from jobs.evaluation_tables import comparison_tables, segmenter_tables
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

PRIVATE = {"privacy": {"mode": "private", "epsilon": 3.0, "trains": "scratch"},
           "audit": {"epsilon": 0.25, "tests": ["T1", "T4"]}}


class NoEngine:
    """Fails the test if it is entered."""

    def __init__(self, run: RunFolder) -> None:
        self.folder = run

    def local_sites(self) -> list[Any]:
        return self.folder.sites(self.folder.study())

    def __enter__(self) -> None:
        pytest.fail("something was started")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = write_run(tmp_path / "run", subjects=4)
    prepare_run(run)
    return run


def change(run: RunFolder, site: str, table: str, **keys: object) -> None:
    content = read_toml(run.site_file(site))
    content[table] |= keys
    run.site_file(site).write_text(tomli_w.dumps(content))


def test_a_private_study_is_refused_before_anything_is_read_or_started(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0, **PRIVATE)
    for site in run.study().sites:
        run.site_file(site).write_text("this is not read")
    assert_refused(call("evaluate", run.path), "[privacy] mode = 'private'", "not on that mode's list")


@pytest.mark.parametrize(("table", "keys", "words"), [
    ("policy", {"tasks": ["train", "audit"]}, "site 'west': its site.toml does not allow 'evaluate_release'"),
    ("policy", {"tasks": ["evaluate_release", "segment"]}, "does not allow 'segment_scores'"),
    ("data", {"tumours": "none"}, "site 'west': data.tumours = 'none'"),
    ("data", {"tumours": "unmasked"}, "leave it out with --without west")])
def test_a_site_that_cannot_take_part_is_named_in_one_line(run: RunFolder, monkeypatch: pytest.MonkeyPatch, table: str,
                                                           keys: dict[str, object], words: str) -> None:
    monkeypatch.setattr("jobs.evaluate.verify_release", lambda folder: None)
    change(run, "west", table, **keys)
    with pytest.raises(InputError, match=words) as refused:
        evaluate(run, Talk(), NoEngine(run))  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_a_tenth_of_few_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", subjects=6, evaluation={"sets": ["real", "10 % real"]})
    prepare_run(run)
    monkeypatch.setattr("jobs.evaluate.verify_release", lambda folder: None)
    with pytest.raises(InputError, match="10 % of its 3 members are 1, below its policy's minimum_count = 3"):
        evaluate(run, Talk(), NoEngine(run))  # type: ignore[arg-type]


def test_a_missing_release_is_said(run: RunFolder) -> None:
    assert_refused(call("evaluate", run.path), str(run.release))


@pytest.mark.parametrize(("without", "words"), [
    (["nowhere"], "--without nowhere: not a site of the study"), (["west"], "1 site")])
def test_who_cannot_be_left_out(run: RunFolder, without: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _asked(run.study(), without)
    assert _asked(run.study(), ()) == ("east", "west")


def test_the_job_asks_so_many_questions_and_progress_is_of_the_slowest(run: RunFolder) -> None:
    job = Job("evaluate", run.study(), ("east", "west"))
    assert job.questions == 2 + 2 * (2 * 2 + 1)
    assert _progress(job, {}) == (0.0, "sending the release")
    rounds, arms = run.study().evaluation.rounds, len(arms_of(run.study()))
    beats = {"east": {"task": "segment", "round": 2, "done": 2, "steps": 2},
             "west": {"task": "segment", "round": 1, "done": 1, "steps": 2}}
    assert _progress(job, beats) == (1.5 / (arms * (rounds + 1)), "segmenter 1 of 2")
    beats["west"] = {"task": "segment_scores", "round": 3, "done": 5, "steps": 5}
    share, note = _progress(job, {"west": beats["west"]})
    assert (round(share, 3), note) == (1.0, "segmenter 2 of 2")


def test_the_tables_have_a_row_a_training_and_say_where_nobody_answered() -> None:
    one = {"estimate": 0.71, "low": 0.6, "high": 0.8, "n": 40}
    told = {**one, "sites": {"east": one}}
    rows = [{"segmenter": "segresnet", "augmented": True, "trained_on": name, "measure": measure, "region": region,
             "score": told if region != "enhancing" else None, "difference": None if name == "real" else told}
            for name in ("real", "synthetic only") for measure in ("dice", "hd95")
            for region in ("whole tumour", "core", "enhancing")]
    tables = segmenter_tables(rows)
    assert [table.row_count for table in tables] == [2, 1, 2, 1, 2]
    with (console := Console(width=200)).capture() as printed:
        console.print(tables[0])
    assert "0.710 (0.600 to 0.800), 40" in printed.get()
    assert "too few" in printed.get()
    (compared,) = comparison_tables({"realism": [], "anatomies": [{"measure": "brain_ml", **one, "n_synthetic": 9}]})
    assert compared.row_count == 1
