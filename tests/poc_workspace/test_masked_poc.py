"""Masked training in a locked-down federation: keys, masked updates and seeds pass the second wall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_run import prepare_run, write_run

from fl_components.guard.ledger import Ledger
from fl_components.server.home import ALL_SITES
from jobs.output import Talk
from jobs.train import train
from poc_workspace.engine import PocEngine

pytestmark = [pytest.mark.slow, pytest.mark.federation]


def test_every_site_s_walls_let_masked_training_through(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sites={"east": 2.0, "north": 1.0, "west": 1.0},
                    federation={"round_timeout_s": 300, "secure_aggregation": True})
    study = prepare_run(run)
    made = train(run, Talk(), PocEngine(run))
    assert (made["rounds"], made["jobs"], set(made["l1_by_site"])) == (2, 1, {ALL_SITES})
    keys = []
    for site in run.sites(study):
        ledger = Ledger(site.ledger)
        assert ledger.verify() is None
        assert {entry["decision"] for entry in ledger.entries()} == {"sent"}
        assert [entry["task"] for entry in ledger.entries()] == [
            "summarise", "train_keys", *["train", "train_reveal"] * 2]
        keys += [entry["masked"]["keys"] for entry in ledger.entries() if "masked" in entry]
        wire = [json.loads(line) for line in (site.ledger.with_name("wire.jsonl")).read_text().splitlines()]
        assert not [entry for entry in wire if entry.get("decision") == "refused"]
    assert len(keys) == 6
    assert len(set(keys)) == 1  # as the hospitals compare them
