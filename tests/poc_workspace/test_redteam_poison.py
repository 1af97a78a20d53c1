"""Poisoned updates in one running federation of four, judged by what the server made of each round.

"south" is hostile behind its own guards, which keep in what they can; "west", half of the study's weight, took its
guards away, so that the server stands alone. Every attack of `redteam_poison.POISONS` is one round of a real training
job; "east" and "north" are honest.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
import redteam_poison
import tomli_w
from redteam_poison import ORDER, poisoned_study
from safetensors.numpy import load_file
from small_run import prepare_run, write_run

from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json, write_json
from fl_components.networks.build import declared_shapes
from fl_components.server.aggregation import aggregate
from fl_components.study import Study
from fl_components.toml_model import read_toml
from jobs.engine import Job
from jobs.recipes import SITE_COMPONENTS
from jobs.run_folder import RunFolder
from poc_workspace.deployment import Deployment
from poc_workspace.submission import export

pytestmark = pytest.mark.redteam
SITES: Final = ("east", "north", "south", "west")
TRAINED: Final = "fl_components.client.train_executor.TrainExecutor"
TRAINER: Final = "redteam_poison.PoisonTrainer"
BY_SITE: Final = ("nan", "infinity", "times_1000", "missing_tensor", "extra_tensor", "oversized", "other_shape",
                  "broadcast", "other_type", "text")
"""What a site's own guard keeps in."""
REPEATED: Final = ("free_rider_again", "last_again")
BY_SERVER: Final = {
    "nan": "NaN or infinity", "infinity": "NaN or infinity", "times_1000": "exceeds the study's update_norm_bound",
    "missing_tensor": "is missing", "extra_tensor": "'extra' is not declared", "oversized": "'extra' is not declared",
    "other_shape": "has shape", "broadcast": "has shape", "other_type": "has type float64", "text": "is str",
    "no_weights": "is missing", "other_round": "claims to be of round 1",
    **dict.fromkeys(REPEATED, "it repeats an update of an earlier round")}
"""What the server says of it where no guard kept it in; all else is admitted."""


class Outcome(NamedTuple):
    run: RunFolder
    study: Study
    result: dict[str, Any]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    run = write_run(tmp_path_factory.mktemp("poison") / "run", 13, **poisoned_study())
    for site in SITES:
        content = read_toml(run.site_file(site))
        content["policy"]["maximum_update_norm"] = 1.0
        run.site_file(site).write_text(tomli_w.dumps(content))
    study = prepare_run(run)
    job = with_class(export(Job("train", study, SITES, "0" * 32, study.training.rounds), run.path / "jobs"))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(redteam_poison.__file__).parent), before])
    deployment = Deployment(run, run.sites(study), "red-team-poison")
    try:
        deployment.prepare()
        for site in SITES:
            allow(deployment.kit(site) / "local")
        take_guards_away(deployment.kit("west") / "local")
        deployment.start()
        job_id = deployment.submit(job)
        deadline = time.monotonic() + 240
        while not ended(run):
            deployment.require_alive()
            assert time.monotonic() < deadline, "the poisoned training did not end"
            time.sleep(1)
        deployment.wait(job_id)[0].wait(120)
        yield Outcome(run, study, run.server.result("train"))
    finally:
        deployment.stop()
        os.environ["PYTHONPATH"] = before


def ended(run: RunFolder) -> bool:
    return run.server.result_file("train").exists() and run.server.result("train")["status"] != "running"


def with_class(job: Path) -> Path:
    """The job, naming the class that is honest, hostile or unguarded by where it runs."""
    for config in job.rglob("config_fed_client.json"):
        content = read_json(config)
        for entry in content["executors"]:
            entry["executor"]["path"] = TRAINER
        write_json(config, content)
    return job


def allow(local: Path) -> None:
    """As if the class were installed and listed at this site."""
    resources = read_json(local / "resources.json")
    resources["class_allow_list"].append(TRAINER)
    for part in resources["components"]:
        if part["id"] == "job_checker":
            part["args"]["components"][TRAINER] = SITE_COMPONENTS[TRAINED]
    write_json(local / "resources.json", resources)


def take_guards_away(local: Path) -> None:
    resources, privacy = read_json(local / "resources.json"), read_json(local / "privacy.json")
    resources["components"] = [part for part in resources["components"]
                               if part["id"] not in ("job_checker", "wire_guard")]
    privacy["scopes"][0]["task_result_filters"], privacy["components"] = [], []
    write_json(local / "resources.json", resources)
    write_json(local / "privacy.json", privacy)


def rejected(outcome: Outcome, site: str) -> dict[str, str]:
    return {ORDER[row["round"] - 1]: row["reason"] for row in outcome.result["rejected"] if row["site"] == site}


def test_training_went_through_every_attack(outcome: Outcome) -> None:
    assert outcome.result["status"] == "done", outcome.result
    assert outcome.result["rounds"] == len(ORDER)
    assert not outcome.result["absent"]
    assert not {row["site"] for row in outcome.result["rejected"]} & {"east", "north"}


@pytest.mark.parametrize("attack", ORDER)
def test_the_sites_own_guard_keeps_it_in(outcome: Outcome, attack: str) -> None:
    decisions = {entry["round"]: entry["decision"]
                 for entry in Ledger(outcome.run.site_folder("south") / "ledger.jsonl").entries()
                 if entry["job"] == "poison"}
    assert decisions[ORDER.index(attack)] == ("refused" if attack in BY_SITE else "sent")
    assert (attack in rejected(outcome, "south")) is (attack in REPEATED)


@pytest.mark.parametrize("attack", ORDER)
def test_the_server_holds_on_its_own(outcome: Outcome, attack: str) -> None:
    found = rejected(outcome, "west").get(attack)
    if attack in BY_SERVER:
        assert found is not None
        assert BY_SERVER[attack] in found
    else:
        assert found is None


@pytest.mark.parametrize("attack", ORDER)
def test_the_rounds_generator_is_made_of_the_admitted_updates_by_the_studys_weights(
        outcome: Outcome, attack: str) -> None:
    number = ORDER.index(attack)
    left_out = {"south": set(REPEATED), "west": set(BY_SERVER)}
    updates = {site: kept(outcome, site, f"sent-{number}") for site in SITES
               if attack not in left_out.get(site, ())}
    assert len(updates) >= 2
    names = list(declared_shapes(outcome.study))
    change = aggregate(outcome.study, updates, names)
    received = kept(outcome, "east", f"received-{number}")
    after = ({name: received[name] + change[name] for name in names})
    assert all(np.isfinite(value).all() for value in after.values())
    if number + 1 < len(ORDER):
        following = kept(outcome, "north", f"received-{number + 1}")
        for name in names:
            np.testing.assert_allclose(following[name], after[name], rtol=0, atol=1e-6)


def kept(outcome: Outcome, site: str, name: str) -> dict[str, np.ndarray]:
    with np.load(outcome.run.site_folder(site) / "rounds" / f"{name}.npz") as stored:
        return dict(stored)


def test_the_released_generator_is_finite(outcome: Outcome) -> None:
    generator = load_file(outcome.run.server.generator_file)
    assert all(np.isfinite(value).all() for value in generator.values())


@pytest.mark.parametrize("attack", ["late", "twice"])
def test_a_message_out_of_turn_was_sent_and_taken_for_nothing(outcome: Outcome, attack: str) -> None:
    """Its effect on the round is in the test before; NVFlare's reply tells the sender nothing."""
    assert json.loads((outcome.run.site_folder("west") / f"rounds/{attack}.json").read_text()) is True
