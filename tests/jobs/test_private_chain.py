"""The whole chain of a study that claims an ε: real NVFlare jobs, its accounts, its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from small_run import prepare_run, write_run

from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger
from fl_components.guard.privacy_account import Spending
from fl_components.toml_model import read_toml
from fl_components.training.private.plan import plan_of
from jobs.audit import audit
from jobs.engine import JobFailedError
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from jobs.train import train

pytestmark = pytest.mark.slow

PRIVACY = {"mode": "private", "epsilon": 8.0, "discriminator_steps": 2, "trains": "scratch", "expected_batch": 2}


def allow(run: RunFolder, site: str, **policy: object) -> None:
    content = read_toml(run.site_file(site))
    content["policy"] |= policy
    run.site_file(site).write_text(tomli_w.dumps(content))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    run = write_run(tmp_path_factory.mktemp("private") / "run", privacy=PRIVACY,
                    audit={"minimum_subjects": 5, "calibration_subjects": 6, "epsilon": 0.5, "tests": ["T1", "T4"]})
    for site in run.study().sites:
        allow(run, site, epsilon=8.0, audit_epsilon=1.0)
    prepare_run(run)
    train(run, Talk())
    synthesize(run, Talk())
    return run, audit(run, Talk())


def test_the_report_states_the_epsilon_of_each_site(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    report = json.loads((run.audit / "report.json").read_text())
    plan = plan_of(run.study())
    assert plan is not None
    assert set(report["privacy"]["sites"]) == {"east", "west"}
    for site in run.sites(run.study()):
        stated = report["privacy"]["sites"][site.name]
        spent = Spending.of(Ledger(site.ledger).entries())
        assert stated["epsilon"] == pytest.approx(spent.epsilon(1e-5))
        assert 7.9 < stated["epsilon"] <= 8
        assert (stated["delta"], stated["adjacency"]) == (1e-5, plan.adjacency)
        assert stated["epsilon_replacing"] > 1.5 * stated["epsilon"]
    page = (run.audit / "report.html").read_text()
    assert "neighbour" in page
    assert "no guarantee" not in page
    assert "losses of public images alone" in page
    assert "6 volumes were made" in page


def test_what_left_is_what_was_reserved(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    study = run.study()
    for site in run.sites(study):
        entries = Ledger(site.ledger).entries()
        sent = [entry for entry in entries if entry["decision"] == "sent"]
        assert [entry["task"] for entry in sent] == ["summarise", "train", "train", "audit"]
        for entry in sent:
            found = {t["name"] for t in entry["tensors"]} | set(entry["scalars"])
            assert found == set(declare(entry["task"], study))
        reserved = [entry["sequence"] for entry in entries if entry["decision"] == "reserved"]
        assert [entry["reserved"] for entry in sent[:3]] == reserved
        assert Spending.of(entries).unaccounted == 0


def test_a_second_training_of_the_same_patients_is_refused(finished: tuple[RunFolder, dict[str, Any]],
                                                           tmp_path: Path) -> None:
    run, _ = finished
    with pytest.raises(JobFailedError, match=r"east|west"):
        train(run, Talk())
    last = [Ledger(run.site_folder(site) / "ledger.jsonl").entries()[-1] for site in ("east", "west")]
    # Whoever says so first ends the job for both, maybe before the other has come to it.
    assert any("budget is spent" in entry.get("reason", "") for entry in last)
