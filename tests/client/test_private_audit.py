"""A study that claims an ε, at a site: nothing leaves unallowed, the noise is drawn once, the rest stays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from small_run import prepare_run, write_run
from test_audit_executor import JobContext, painted

from fl_components.client.audit_executor import AuditExecutor, question_of
from fl_components.client.audit_findings import read_statistics
from fl_components.client.audit_record import AuditRecord, digest_of
from fl_components.client.generator_errors import generator_errors
from fl_components.cohort.cohort import Cohort
from fl_components.environment import RUN_VARIABLE
from fl_components.guard.declaration import audit_setting, declare
from fl_components.guard.ledger import Ledger
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.toml_model import read_toml
from jobs import report as reporting
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.report import Sections
from privacy_eval.report.private import KEPT

SITES = {"east": 1.0}
AUDIT = {"minimum_subjects": 5, "calibration_subjects": 6, "epsilon": 3.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("private") / "run", subjects=20, sites=SITES, audit=AUDIT)
    prepare_run(run)
    return run


@pytest.fixture(scope="module")
def question(run: RunFolder) -> dict[str, np.ndarray]:
    study = run.study()
    return question_of(painted(study, 6, 2), painted(study, 6, 1), weights_of(build_generator(study)))


def ask(run: RunFolder, question: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Shareable:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    task = DXO(DataKind.WEIGHTS, data=question).to_shareable()
    return AuditExecutor(run.study().hash).execute("audit", task, JobContext("east"), Signal())


def allow(run: RunFolder, epsilon: float) -> None:
    path = run.site_file("east")
    site = read_toml(path)
    site["policy"]["audit_epsilon"] = epsilon
    path.write_text(tomli_w.dumps(site))


def test_refused_then_paid_for_once_and_reported(run: RunFolder, question: dict[str, np.ndarray],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    study, ledger = run.study(), Ledger(run.site_folder("east") / "ledger.jsonl")
    assert ask(run, question, monkeypatch).get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert "audit_epsilon" in ledger.entries()[-1]["reason"]

    allow(run, 3.0)
    answers = [from_shareable(ask(run, question, monkeypatch)).data for _ in range(2)]
    assert answers[0] == answers[1]
    assert set(answers[0]) == set(declare("audit", study))
    assert [entry["epsilon"] for entry in ledger.entries()[1:]] == [3.0, 0.0]
    assert set(ledger.entries()[1]["scalars"]) == set(answers[0])

    record = AuditRecord(run.site_folder("east") / "state", study)
    assert record.next_number == 2
    folder = record.folder(digest_of(question, study))
    kept = read_statistics("east", folder, audit_setting(study))
    assert (kept.n_members, kept.n_holdout) == (answers[0]["n_members"], answers[0]["n_holdout"])
    assert kept.minimum_count == 1  # no count leaves, so none is hidden from the site itself
    assert all(float(answers[0][f"release.{one.id}.noised_2u"]).is_integer()
               for one in study.audit.policy.private_family)
    _check_reports(run, answers[0], folder, monkeypatch)


def _check_reports(run: RunFolder, answer: dict[str, np.ndarray], folder: Path,
                   monkeypatch: pytest.MonkeyPatch) -> None:
    """The public edition rests on the noised numbers alone; the site's own on its full statistics."""
    monkeypatch.setattr(reporting, "_sections", lambda *_: Sections())
    monkeypatch.setattr(reporting, "release_digest", lambda _: "digest")
    run.server.folder.mkdir(parents=True)
    scalars = {name: float(value) for name, value in answer.items()}
    run.server.write_result("audit", "done", release="digest", sites={"east": scalars}, canaries={})
    told = reporting.report(run, Talk())
    public, own = (json.loads(path.read_text()) for path in (run.audit / "report.json", folder / "report.json"))
    assert public["private"]["epsilon"] == 3.0
    assert public["controls"]["positive"]["outcome"] == KEPT
    noised = scalars["release.T1.voxels.noised_2u"] / (2 * scalars["n_members"] * scalars["n_holdout"])
    assert public["tests"][0]["estimate"] == pytest.approx(np.clip(noised, 0, 1))
    assert told["internal"] == [str(folder / "report.html")]
    assert own["edition"] == "internal"
    assert {test["id"] for test in own["tests"]} >= {"T1", "T2", "T4", "T6", "T7", "T11"}
    assert own["controls"]["positive"]["tests"]
    assert "cost each patient of this site an ε of 3 so far; the site allows 3." in " ".join(own["warnings"])


def test_a_patient_s_exact_errors_are_its_own_and_the_site_s_contrast_is_everybody_s(run: RunFolder) -> None:
    """Why T4 may leave with the exact contrast alone."""
    study = run.study()
    (site,) = run.sites(study)
    members = list(Cohort.load(site, study).subjects("members"))
    weights = weights_of(build_generator(study))
    holdout, others = members[2:4], [members[4], members[1]]
    before, after = (generator_errors(study, weights, group, holdout, lambda done: None)
                     for group in (members[:2], others))
    for kind in ("reconstruction", "predictability"):
        was, now = getattr(before["exact"], kind), getattr(after["exact"], kind)
        assert was.members[0] != now.members[0]
        assert was.members[1] == now.members[1]
        np.testing.assert_array_equal(was.holdout, now.holdout)
        assert (getattr(before["site"], kind).holdout != getattr(after["site"], kind).holdout).all()
