"""Attempts to take a scan out of a site, in one running federation, judged on the site's own evidence."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redteam_parts
from redteam_case import interleaved, secret
from redteam_parts import ATTEMPTS, ORDERS
from small_run import write_run

from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json, write_json
from jobs.engine import Job
from jobs.recipes import SITE_COMPONENTS
from jobs.run_folder import RunFolder
from poc_workspace.deployment import Deployment
from poc_workspace.project import PROJECT, SERVER
from poc_workspace.submission import export

pytestmark = pytest.mark.redteam
SITES = ("east", "west")
UNDEFENDED = {"inside_the_declaration"}
"""Declared names, shapes and types, finite, within the norm: what a colluding executor can still encode."""


OURS = "fl_components.client.train_executor.TrainExecutor"
ARGUMENTS = {"study_hash": "0" * 64, "training": "0" * 32}
LISTED = {"path": "redteam_parts.HostileExecutor", "args": ARGUMENTS}


def ours(**changes: object) -> dict[str, Any]:
    """The part of a job that names our executor, with other arguments."""
    return {"executors": [{"tasks": ["train"], "executor": {"path": OURS, "args": {**ARGUMENTS, **changes}}}]}


REFUSED_JOBS: dict[str, tuple[dict[str, Any], str]] = {
    "own_filter": ({"task_result_filters": [{"tasks": ["train"], "filters": [LISTED]}]},
                   "the site refuses the job: it brings its own 'task_result_filters'"),
    "argument": (ours(study_hash="/etc"), "argument 'study_hash' of 'executors.#1.executor' is out of its range"),
    "path_as_argument": (ours(training="../../../data"),
                         "argument 'training' of 'executors.#1.executor' is out of its range"),
    "more_arguments": (ours(class_attributes={}), "are not study_hash, training")}
"""What replaces parts of a job's configuration of the sites, and what a site's own log says then."""


class Outcome(NamedTuple):
    run: RunFolder
    answers: dict[str, str]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One federation, locked down, whose lists a test widened by the hostile classes."""
    run = write_run(tmp_path_factory.mktemp("redteam") / "run", subjects=0)
    study = run.study()
    asked = Job("train", study, tuple(study.sites), "0" * 32, study.training.rounds)
    job = export(asked, run.path / "jobs")
    for name, path, kind in (("server", "workflows", "HostileController"), ("client", "executors", "HostileExecutor")):
        for config in job.rglob(f"config_fed_{name}.json"):
            content = read_json(config)
            for part in content.get(path, ()):
                (part if name == "server" else part["executor"])["path"] = f"redteam_parts.{kind}"
            write_json(config, content)
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(redteam_parts.__file__).parent), before])
    deployment = Deployment(run, run.sites(study), "red-team")
    try:
        deployment.prepare()
        for party in ("server", *study.sites):
            widen(deployment.kit(party) / "local", run, party)
        deployment.start()
        first = deployment.submit(job)
        deadline = time.monotonic() + 480
        while not (run.server.result_file("train").exists() and run.server.result("train")["status"] == "done"):
            deployment.require_alive()
            assert time.monotonic() < deadline, "the hostile job did not end"
            time.sleep(1)
        answers = run.server.result("train")["answers"]
        deployment.wait(first)[0].wait(120)
        fetch(deployment, first, run.path / "fetched")
        for name, (change, _) in REFUSED_JOBS.items():
            refused = export(asked, run.path / "jobs" / name)
            for config in refused.rglob("config_fed_client.json"):
                if (content := read_json(config)).get("executors"):
                    write_json(config, {**content, **change})
            deployment.wait(deployment.submit(refused))[0].wait(120)
        for site in study.sites:
            run.site_file(site).write_text(run.site_file(site).read_text() + "\n# maximum_rounds = 1000000\n")
        waiting = deployment.wait(deployment.submit(export(asked, run.path / "jobs")))[0]
        with contextlib.suppress(subprocess.TimeoutExpired):
            waiting.wait(30)
        yield Outcome(run, answers)
    finally:
        deployment.stop()
        os.environ["PYTHONPATH"] = before


def fetch(deployment: Deployment, job_id: str, folder: Path) -> None:
    """All that NVFlare gives to who submitted a job: its results, every party's logs."""
    kit = ("--startup-kit", str(deployment.admin.kit))
    for words in (("download", job_id, "-o", str(folder)), ("logs", job_id, "--site", "all")):
        deployment.nvflare.start("job", *words, *kit)[0].wait(120)


def widen(local: Path, run: RunFolder, party: str) -> None:
    """Let the hostile classes be built, as if they were installed and listed, and tap the wire behind the guard."""
    resources = read_json(local / "resources.json")
    resources["class_allow_list"] += ["redteam_parts.HostileExecutor", "redteam_parts.HostileController"]
    for part in resources["components"]:
        if part["id"] == "job_checker":
            part["args"]["components"]["redteam_parts.HostileExecutor"] = SITE_COMPONENTS[OURS]
    write_json(local / "resources.json", resources)
    if party != "server":
        privacy = read_json(local / "privacy.json")
        tap = {"path": str(run.site_folder(party) / "tap.bin")}
        privacy["components"].append({"id": "tap", "path": "redteam_parts.WireTap", "args": tap})
        write_json(local / "privacy.json", privacy)


def tapped(outcome: Outcome, site: str) -> bytes:
    return (outcome.run.site_folder(site) / "tap.bin").read_bytes()


def records(outcome: Outcome, site: str, name: str) -> list[dict]:
    return Ledger(outcome.run.site_folder(site) / name).entries()


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("attempt", sorted(set(ATTEMPTS) - UNDEFENDED))
def test_nothing_of_it_left_the_site(outcome: Outcome, site: str, attempt: str) -> None:
    wire = tapped(outcome, site)
    assert secret(attempt).encode() not in wire
    assert interleaved(secret(attempt), 8).tobytes() not in wire


def test_who_submitted_the_job_and_the_server_have_no_file_of_it(outcome: Outcome) -> None:
    """Downloaded results, logs that were asked for, the server's storage and its own folder."""
    poc = outcome.run.path / "poc"
    assert [path for path in (outcome.run.path / "fetched").rglob("*") if path.is_file()]
    assert (poc / "logs/logs.log").stat().st_size
    places = (outcome.run.path / "fetched", poc / "storage", poc / "logs/logs.log", poc / "logs/server.log",
              poc / f"deployment/{PROJECT}/prod_00" / SERVER)
    held = {path: path.read_bytes() for place in places for path in (place.rglob("*") if place.is_dir() else [place])
            if path.is_file()}
    assert [path for path, content in held.items() if b"<SCAN:" in content] == []


REFUSED_IN_LEDGER = (
    "extra_tensor", "other_shape", "other_type", "float16", "object_array", "text_as_scalar", "nested", "nan_payload",
    "unrecorded", "changed_after_record", "replayed", "metrics", "full_weights", "statistics", "no_dxo",
    "thousand_rounds", "excessive_norm", "policy_edited", "study_edited")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("attempt", REFUSED_IN_LEDGER)
def test_a_wall_refused_it_in_the_ledger(outcome: Outcome, site: str, attempt: str) -> None:
    lines = (outcome.run.site_folder(site) / "attempts.jsonl").read_text().splitlines()
    starts = {entry["attempt"]: entry["ledger"] for entry in map(json.loads, lines)}
    following = dict(zip(starts, [*list(starts.values())[1:], None], strict=True))
    decisions = [e["decision"] for e in records(outcome, site, "ledger.jsonl")[starts[attempt]:following[attempt]]]
    assert "refused" in decisions


@pytest.mark.parametrize("site", SITES)
def test_every_attempt_was_made_and_the_tap_hears(outcome: Outcome, site: str) -> None:
    lines = (outcome.run.site_folder(site) / "attempts.jsonl").read_text().splitlines()
    assert [json.loads(line)["attempt"] for line in lines] == list(ATTEMPTS)
    wire = tapped(outcome, site)
    assert interleaved(secret("inside_the_declaration"), 8).tobytes() in wire  # not defended, and seen
    assert b"get_task" in wire


@pytest.mark.parametrize("site", SITES)
def test_guard_saw_messages_and_recorded_refusals(outcome: Outcome, site: str) -> None:
    wire = records(outcome, site, "wire.jsonl")
    assert {entry["process"] for entry in wire if entry["event"] == "attached"} == {"job", "parent"}
    assert {(e["channel"], e["topic"]) for e in wire if e["event"] == "first"} >= {
        ("server_command", "get_task"), ("server_command", "submit_update"), ("aux_communication", "__task_check__")}
    refused = {(entry["channel"], entry["topic"]) for entry in wire if entry["event"] == "refused"}
    assert refused >= {("aux_communication", "scan"), ("scan", "file"), ("scan", "scan"), ("admin", "scan"),
                       ("return_only", "scan"), ("server_command", "get_task"), ("server_command", "submit_update"),
                       ("context", "public property")}
    walls = [entry["wall"] for entry in records(outcome, site, "ledger.jsonl") if "wall" in entry]
    assert set(walls) >= {"site filter"}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("topic", ORDERS)
def test_sites_own_process_obeys_no_such_order(outcome: Outcome, site: str, topic: str) -> None:
    assert topic in {e["topic"] for e in records(outcome, site, "wire.jsonl")
                     if e["event"] == "refused" and e["process"] == "parent"}
    assert outcome.answers[f"{site} {topic}"] in ("filter_error", "timeout")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", REFUSED_JOBS)
def test_a_site_refuses_the_job(outcome: Outcome, site: str, name: str) -> None:
    assert REFUSED_JOBS[name][1] in (outcome.run.path / f"poc/logs/{site}.log").read_text()


@pytest.mark.parametrize("site", SITES)
def test_no_job_starts_under_a_policy_that_changed_after_the_site_was_started(outcome: Outcome, site: str) -> None:
    *_, last = [e for e in records(outcome, site, "wire.jsonl") if e["event"] == "refused" and e["process"] == "parent"]
    assert last["topic"] == "train.start_job"
    assert "start the site again" in last["reason"]
