"""`fedsynth plan` and `fedsynth budget show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from small_run import small_study
from typer.testing import CliRunner

from fl_components.guard.egress import Guard
from fl_components.guard.privacy_account import PrivacyAccount
from fl_components.site import Site
from fl_components.study import Study
from fl_components.training.private.plan import plan_of
from jobs.cli import app

PRIVATE = {"privacy": {"mode": "private", "epsilon": 8.0, "trains": "scratch", "discriminator_steps": 2},
           "audit": {"epsilon": 0.5, "tests": ["T1", "T4"], "minimum_subjects": 5}}


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(tomli_w.dumps(small_study(**PRIVATE)))
    return path


def call(*words: object) -> Any:  # noqa: ANN401 - JSON
    result = CliRunner().invoke(app, [*map(str, words), "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_plan_has_the_noise_the_signal_the_audits_power_and_advice(study_file: Path) -> None:
    few, many = (call("plan", "--study", study_file, "--sites", sites) for sites in ("60,60", "6000,6000"))
    plan = plan_of(Study.from_file(study_file))
    assert plan is not None
    assert (few["noise"], few["steps"]) == (plan.training_noise, 12)
    assert few["epsilon"] <= 8 < few["epsilon_replacing"]
    site, large = few["sites"]["east"], many["sites"]["east"]
    assert large["signal_to_noise"]["all trained"] == pytest.approx(100 * site["signal_to_noise"]["all trained"])
    assert large["contrast_noise"] == pytest.approx(site["contrast_noise"] / 100)
    assert 0.5 < many["audit"]["detectable_auc"] < few["audit"]["detectable_auc"]
    assert not few["works"]
    assert any("from scratch" in line for line in few["advice"])


def test_a_smaller_epsilon_is_more_noise(study_file: Path) -> None:
    loose = call("plan", "--study", study_file, "--sites", "60,60")
    tight = call("plan", "--study", study_file, "--sites", "60,60", "--epsilon", 2)
    assert tight["noise"] > loose["noise"]
    assert tight["sites"]["east"]["over_all_steps_at_best"] < loose["sites"]["east"]["over_all_steps_at_best"]


def test_an_empirical_study_is_told_that_it_has_none(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(tomli_w.dumps(small_study()))
    result = CliRunner().invoke(app, ["plan", "--study", str(path), "--sites", "60,60"])
    assert result.exit_code == 2
    assert "claims no ε" in result.output


def test_the_budget_is_shown_by_round_and_says_what_is_left(study_file: Path) -> None:
    study = Study.from_file(study_file)
    plan = plan_of(study)
    assert plan is not None
    site_file = study_file.parent / "east" / "site.toml"
    site_file.parent.mkdir()
    site_file.write_text(tomli_w.dumps({"name": "east", "study": "../study.toml", "state": "state", "policy": {
        "epsilon": 8.0}, "data": {"root": "data", "dialect": "brats2020"}}))
    empty = call("budget", "show", site_file)["sites"]["east"]
    assert (empty["epsilon"], empty["rows"]) == (0, [])
    page = CliRunner().invoke(app, ["budget", "show", str(site_file)]).stdout
    assert (page[:15], page.count("\n")) == ("east: spent ε =", 1), "a line, and no table of nothing"
    site = Site.from_file(site_file)
    account = PrivacyAccount(site, study)
    account.reserve(plan.summary, task="summarise", job="a" * 32, round_number=0)
    account.reserve(plan.training(plan.steps_per_round), task="train", job="a" * 32, round_number=0)
    found = call("budget", "show", site_file)["sites"]["east"]
    assert [row["task"] for row in found["rows"]] == ["summarise", "train"]
    assert not any(row["left"] for row in found["rows"])
    assert found["epsilon"] == found["rows"][-1]["epsilon_after"] < 8
    page = CliRunner().invoke(app, ["budget", "show", str(site_file)]).stdout
    assert "nothing left, spent" in page
    assert "the site allows 8" in page
    told = {"time": "2026-01-01T00:00:00+00:00", "study": study.hash, "job": "simulate", "task": "audit", "round": 0,
            "decision": "sent", "epsilon": 0.5}
    account.ledger.append_after(lambda earlier: told)
    audited = call("budget", "show", site_file)["sites"]["east"]
    assert audited["rows"][-1]["event"] == {"mechanism": "pure", "epsilon": 0.5}
    assert found["epsilon"] < audited["rows"][-1]["epsilon_after"] == audited["epsilon"]
    assert Guard(site, study).ledger.verify() is None
