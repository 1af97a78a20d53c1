"""A whole evaluation in NVFlare's simulator: its table, and the ledgers' account of what left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation_case import THREE, evaluation_run

from fl_components.evaluation.arms import arms_of
from fl_components.evaluation.scores import MEASURES
from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger
from fl_components.vocabulary import REGIONS
from jobs.evaluate import evaluate
from jobs.output import Talk
from jobs.run_folder import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    run = evaluation_run(tmp_path_factory.mktemp("evaluation") / "run")
    return run, evaluate(run, Talk(as_json=True))


def test_the_written_table(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, result = finished
    written = json.loads(Path(result["evaluation"]).read_text())
    study = run.study()
    assert written["simulated"] is True
    assert written["sites"] == list(THREE)
    assert written["provenance"]["study_hash"] == written["study"] == study.hash
    assert written["settings"]["seeds"] == [0]
    rows = {(row["trained_on"], row["measure"], row["region"]): row for row in written["segmenters"]}
    assert set(rows) == {(name, measure, region) for name in ("real", "synthetic only") for measure in MEASURES
                         for region in REGIONS}
    for (name, _, region), row in rows.items():
        assert (row["difference"] is None) == (name == "real") or region != "whole tumour"
        for told in (row["score"], row["difference"]):
            if told is not None:
                assert told["low"] <= told["estimate"] <= told["high"]
                assert told["n"] == sum(site["n"] for site in told["sites"].values())
                assert set(told["sites"]) <= set(THREE)
    assert rows["real", "dice", "whole tumour"]["score"]["n"] == 9
    for key in ("realism", "anatomies"):
        assert all(row["low"] <= row["estimate"] <= row["high"] and row["n"] >= 5 for row in written[key])
    assert {row["measure"] for row in written["anatomies"]} >= {"brain_ml", "tumour_ml", "detector"}
    assert set(result["dice"]) == {"segresnet, real, augmented", "segresnet, synthetic only, augmented"}


def test_the_ledger_lists_every_field_that_left(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    study = run.study()
    asked = ["evaluate_release", *([*["segment"] * study.evaluation.rounds, "segment_scores"] * len(arms_of(study)))]
    for site in run.sites(study):
        ledger = Ledger(site.ledger)
        assert ledger.verify() is None
        entries = ledger.entries()
        assert [entry["task"] for entry in entries] == asked
        for entry in entries:
            assert entry["decision"] == "sent"
            sent = {tensor["name"]: (tuple(tensor["shape"]), tensor["dtype"]) for tensor in entry["tensors"]}
            declared = declare(entry["task"], study, entry["round"])
            assert sent == {name: (field.shape, field.dtype) for name, field in declared.items() if field.shape}
            assert set(entry["scalars"]) == {name for name, field in declared.items() if not field.shape}


def test_nothing_of_a_subject_is_in_what_the_server_keeps(finished: tuple[RunFolder, dict[str, Any]]) -> None:
    run, _ = finished
    told = run.server.result("evaluate")
    names = {site.name for site in run.sites(run.study())}
    subjects = {path.stem for name in names for path in (run.site_folder(name) / "state/cohort/subjects").glob("*.npz")}
    text = json.dumps(told)
    assert subjects
    assert not any(subject in text for subject in subjects)
