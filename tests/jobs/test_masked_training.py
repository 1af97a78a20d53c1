"""Masked training in the simulator: the plain aggregate within the stated error, and on without a dead site."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_run import prepare_run, write_run

from fl_components.client.heartbeat import heartbeat_file
from fl_components.client.training_seed import training_seed
from fl_components.cohort.cohort import Cohort
from fl_components.cohort.subject import Subject
from fl_components.guard.ledger import Ledger
from fl_components.guard.masked_update import Masking, masked_update, mean_update, point_of
from fl_components.guard.secure_sum import MaskKey
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.aggregation import aggregate
from fl_components.server.checkpoint import read_checkpoint
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.train import train

pytestmark = pytest.mark.slow

Fields = dict[str, np.ndarray]


def trained_here(run: RunFolder, study: Study, states: Path, weights: Weights, number: int) -> dict[str, Fields]:
    """What every site's training yields, without NVFlare."""
    updates = {}
    for site in run.sites(study):
        members = [Subject.load(path) for path in Cohort.load(site, study).members]
        trainer = LocalTrainer(study, members, states / site.name, training_seed(site, study))
        result = trainer.train(weights, number, study.training.local_steps)
        losses = {f"loss.{name}": np.array(value) for name, value in result.losses._asdict().items()}
        updates[site.name] = {**result.update, **losses}
    return updates


def masked_mean(study: Study, updates: dict[str, Fields]) -> Fields:
    """Exactly what any masks leave of these updates."""
    keys = {site: MaskKey() for site in updates}
    public, seed = {site: key.public for site, key in keys.items()}, bytes(32)
    sent = {site: masked_update(study, site, Masking(keys[site], public, seed), fields, "here", 0)
            for site, fields in updates.items()}
    return mean_update(study, sent, dict.fromkeys(updates, seed))


def test_two_rounds_of_three_sites_are_the_plain_aggregate(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sites={"east": 2.0, "north": 1.0, "west": 1.0},
                    federation={"round_timeout_s": 300, "secure_aggregation": True})
    study = prepare_run(run)
    training = train(run, Talk())["training"]
    checkpoint = read_checkpoint(run.server.checkpoint_file, study, training)
    assert checkpoint is not None
    weights = weights_of(build_generator(study))
    first = masked_mean(study, trained_here(run, study, tmp_path / "states", weights, 0))
    weights = {name: value + first[name] for name, value in weights.items()}
    updates = trained_here(run, study, tmp_path / "states", weights, 1)
    plain = aggregate(study, updates, weights)
    for name, value in weights.items():
        np.testing.assert_allclose(checkpoint.weights[name], value + plain[name], rtol=1e-6,
                                   atol=point_of(study, name).largest_error + 1e-7)
    for site in run.sites(study):
        ledger = Ledger(site.ledger)
        assert ledger.verify() is None
        sent = [entry for entry in ledger.entries() if entry["decision"] == "sent"]
        assert [entry["task"] for entry in sent] == ["summarise", "train_keys", *["train", "train_reveal"] * 2]
        masked = [entry for entry in sent if entry["task"] == "train"]
        assert all({tensor["dtype"] for tensor in entry["tensors"]} == {"uint32"} for entry in masked)
        assert masked[1]["norm"] == pytest.approx(float(np.sqrt(sum(
            np.square(updates[site.name][name], dtype=np.float64).sum() for name in weights))), rel=1e-5)
@pytest.mark.federation
def test_a_dead_site_costs_one_round_and_the_others_go_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sites=dict.fromkeys(("east", "north", "south", "west"), 1.0),
                    training={"rounds": 2, "local_steps": 60},
                    federation={"round_timeout_s": 120, "secure_aggregation": True})
    study = prepare_run(run)
    beat = heartbeat_file(run.site_folder("west") / "state")

    def strike() -> None:
        for _ in range(2400):
            found = json.loads(beat.read_text()) if beat.exists() else {}
            if found.get("task") == "train" and found["round"] == 1 and found["done"] > 0:
                os.kill(found["pid"], signal.SIGKILL)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=strike)
    thread.start()
    made = train(run, Talk())
    thread.join()
    assert (made["rounds"], made["jobs"]) == (2, 2)
    curves = run.server.result("train")["curves"]
    assert [(row["round"], len(row["sites"])) for row in curves] == [(1, 4), (2, 3)]
    checkpoint = read_checkpoint(run.server.checkpoint_file, study, made["training"])
    assert checkpoint is not None
    assert all(np.isfinite(value).all() for value in checkpoint.weights.values())
