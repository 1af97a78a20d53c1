"""An evaluation in a real federation: one site does not allow it and says so, the others go through both walls."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from evaluation_case import evaluation_run

from fl_components.evaluation.arms import arms_of
from fl_components.guard.ledger import Ledger
from fl_components.site import EgressPolicy
from fl_components.toml_model import read_toml
from jobs.engine import Job, JobFailedError
from jobs.evaluate import evaluate
from jobs.output import Talk
from poc_workspace.engine import PocEngine

pytestmark = pytest.mark.federation
WORDS = "the site refuses the job: an executor for task 'evaluate_release', which the site's policy does not allow"


def test_a_site_that_does_not_allow_it_refuses_and_the_others_are_evaluated_without_it(tmp_path: Path) -> None:
    run = evaluation_run(tmp_path / "run")
    content = read_toml(run.site_file("west"))
    content["policy"]["tasks"] = list(EgressPolicy().tasks)
    run.site_file("west").write_text(tomli_w.dumps(content))
    study, talk = run.study(), Talk()
    with PocEngine(run, talk.say) as engine:
        with pytest.raises(JobFailedError):  # the reason is the site's own, and stays in its log
            engine.run(Job("evaluate", study, tuple(study.sites)), lambda beats: None)
        assert WORDS in (run.path / "poc/logs/west.log").read_text()
        result = evaluate(run, talk, engine, ["west"])
    assert set(result["dice"]) == {"segresnet, real, augmented", "segresnet, synthetic only, augmented"}
    asked = 1 + len(arms_of(study)) * (study.evaluation.rounds + 1)
    for site, expected in (("east", asked), ("north", asked), ("west", 0)):
        entries = Ledger(run.site_folder(site) / "ledger.jsonl").entries()
        assert sum(entry["decision"] == "sent" for entry in entries) >= expected
        assert all(entry["decision"] == "sent" for entry in entries)
    assert not (run.site_folder("west") / "ledger.jsonl").exists()
