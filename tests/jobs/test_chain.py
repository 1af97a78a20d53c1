"""The whole chain on a small run: real NVFlare jobs, a real release, a real audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_run import prepare_run, write_run

from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger
from fl_components.server.release import read_release
from fl_components.training.states import latest_state
from jobs.audit import audit
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from jobs.train import train
from privacy_eval.verdict.policy import Verdict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    run = write_run(tmp_path_factory.mktemp("chain") / "run", sites={"east": 2.0, "north": 1.0, "west": 1.0},
                    canaries={"per_site": 8, "for_release": False})
    prepare_run(run)
    talk = Talk()
    train(run, talk)
    synthesize(run, talk)
    return run, audit(run, talk)


def test_the_contract_of_the_run_folder(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, result = finished
    report = json.loads((run.audit / "report.json").read_text())
    assert report["verdict"] == result["verdict"] in set(Verdict)
    for control in ("positive", "negative"):
        assert report["controls"][control]["outcome"] in {"passed", "failed"}
    assert [test["id"] for test in report["tests"]] == ["T1", "T2", "T4", "T6", "T7", "T11"]  # too few for T3
    for test in report["tests"]:
        assert {"id", "n_members", "n_holdout", "estimate", "low", "high", "decision"} <= set(test)
        assert test["low"] <= test["estimate"] <= test["high"]
    page = (run.audit / "report.html").read_text()
    assert report["verdict"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert report["provenance"]["study_hash"] == run.study().hash


def test_the_ledger_lists_exactly_what_is_declared(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    study = run.study()
    for site in run.sites(study):
        ledger = Ledger(site.ledger)
        assert ledger.verify() is None
        entries = ledger.entries()
        assert [entry["task"] for entry in entries] == ["summarise", "train", "train", "audit_keys", "audit"]
        for entry in entries:
            assert entry["decision"] == "sent"
            sent = {t["name"]: (tuple(t["shape"]), t["dtype"]) for t in entry["tensors"]}
            declared = declare(entry["task"], study)
            assert sent == {name: (f.shape, f.dtype) for name, f in declared.items() if f.shape}
            assert set(entry["scalars"]) == {name for name, f in declared.items() if not f.shape}


def test_every_site_has_its_own_edition_and_the_public_one_none_of_it(
        finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, result = finished
    assert len(result["internal"]) == len(run.study().sites)
    public = (run.audit / "report.html").read_text()
    for page in map(Path, result["internal"]):
        assert "INTERNAL" in page.read_text()
        inside = json.loads((page.parent / "inside.json").read_text())
        assert inside["insider"]["n_members"] == 6
        assert all(str(pair["after"]) not in public for pair in inside["pairs"])
    assert "INTERNAL" not in public


def test_canaries_are_opened_and_scored(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    report = json.loads((run.audit / "report.json").read_text())
    opened = run.server.result("audit")["canaries"]
    assert {len(site["inside"]) for site in opened.values()} == {8}
    assert all(not set(site["T1"]) & set(site["T4"]) for site in opened.values())
    found = report["canaries"]
    assert found["n_inside"] == sum(sum(site["inside"]) for site in opened.values())
    assert found["n_inside"] + found["n_outside"] == 24
    assert report["verdict"] != Verdict.NO_LEAK_FOUND
    told = report["reasons"] + report["warnings"]
    assert any("not for release" in sentence for sentence in told)


def test_nothing_of_the_discriminator_reaches_the_server(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    assert set(run.server.load_generator()) == {n for n, f in declare("train", run.study()).items() if f.shape}
    assert not list(run.server.folder.glob("*.pt"))
    for site in run.study().sites:
        assert latest_state(run.site_folder(site) / "state")


def test_a_release_repeats_itself_and_holds_no_real_mask(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    first = list(read_release(run.release))
    digest = synthesize(run, Talk(), replace=True)["digest"]
    assert digest == json.loads((run.server.folder / "audit.json").read_text())["release"]
    assert len(first) == run.study().synthesis.volumes
    masks = {volume.labels.tobytes() for volume in first}
    assert len(masks) == len(first)


def test_no_process_is_left(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if str(run.path) in line and "pytest" not in line]
    assert not Path(run.nvflare / "small-train" / "custom").exists()
