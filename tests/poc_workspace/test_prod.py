"""A federation that others have built and run, by docs/deploy.md: jobs are submitted with an administrator's kit."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from hospitals_it import VENV, Lead, fill, get_kit, shell, start_unit
from small_run import prepare_run, write_run
from typer.testing import CliRunner

from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json
from jobs.cli import app
from jobs.engine import Job
from jobs.run_folder import RunFolder
from poc_workspace.admin import Admin
from poc_workspace.nvflare_command import Nvflare
from poc_workspace.party import command_line
from poc_workspace.project import free_port
from poc_workspace.submission import export

pytestmark = [pytest.mark.slow, pytest.mark.federation]
SITES = ("east", "west")


class Federation(NamedTuple):
    folder: Path
    lead: Lead
    run: RunFolder
    kit: Path


def end(folder: Path) -> None:
    """End everything that runs in a folder."""
    for process in psutil.process_iter():
        if any(str(folder) in word for word in command_line(process)):
            process.kill()


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """The lead's machine with server and run folder, and a folder a hospital; every process started by its owner."""
    folder = tmp_path_factory.mktemp("prod")
    source = write_run(folder / "source", training={"rounds": 2, "local_steps": 150})  # long enough to be killed in
    prepare_run(source)
    port = free_port()
    lead = Lead(folder / "lead", port)
    server = folder / "server"
    party = fill("party-server.yml", server, {"fedsynth.example.org": "localhost", "8002": str(port)})
    shell(server, "fedsynth", "server", "lock-down", get_kit(lead, server, party, "localhost"), "--storage", "storage")
    (server / "run").mkdir()
    shutil.copy(source.study_file, server / "run/study.toml")
    try:
        start_unit("fedsynth-server.service", server, folder / "server.log")
        for name in SITES:
            join(lead, folder, source, name)
        desk = folder / "desk"
        kit = get_kit(lead, desk, fill("party-lead.yml", desk, {}), "lead@consortium.example.org")
        yield Federation(folder, lead, RunFolder(server / "run"), kit)
    finally:
        end(folder)


def join(lead: Lead, folder: Path, source: RunFolder, name: str) -> None:
    """What a hospital does: its own folder holds its scans, its settings, its kit."""
    place = folder / name
    shutil.copytree(source.site_folder(name), place / "site")
    shutil.copy(source.study_file, place / "study.toml")
    site = place / "site/site.toml"
    site.write_text(site.read_text().replace("../../study.toml", "../study.toml"))
    kit = get_kit(lead, place, fill("party-site.yml", place, {"charite": name}), name)
    shell(place, "fedsynth", "cohort", "check", site)
    shell(place, "fedsynth", "site", "lock-down", site, "--kit", kit)
    start_unit("fedsynth-site.service", place, folder / f"{name}.log")


def fedsynth(*words: str) -> int:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code != 2, result.stderr
    return result.exit_code


def test_training_and_audit_from_the_servers_machine(federation: Federation) -> None:
    run, options = federation.run, ("--env", "prod", "--kit", str(federation.kit))
    before = {process.pid for process in psutil.process_iter() if str(federation.folder) in str(command_line(process))}
    assert fedsynth("train", str(run.path), *options) == 0
    assert run.server.result("train")["status"] == "done"
    assert fedsynth("synthesize", str(run.path), "--replace") == 0
    assert fedsynth("audit", str(run.path), *options) in (0, 1, 3, 4)
    assert (run.audit / "report.html").exists()
    assert not read_json(run.audit / "report.json")["simulated"]  # no site's files are here to show it
    for name in SITES:
        entries = Ledger(federation.folder / name / "site/ledger.jsonl").entries()
        assert [entry["task"] for entry in entries if entry["decision"] == "sent"] == [
            "summarise", "train", "train", "audit"]
    after = {process.pid for process in psutil.process_iter() if str(federation.folder) in str(command_line(process))}
    assert before <= after  # nothing of it was stopped, or started
    assert {psutil.Process(pid).status() for pid in before} & {psutil.STATUS_ZOMBIE} == set()


def waited_for(kit: Path, command: subprocess.Popen[bytes]) -> str:
    """NVFlare's identifier of the job that a command submitted and waits for."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert command.poll() is None
        for process in psutil.process_iter():
            words = command_line(process)
            if {"job", "wait", str(kit)} <= words:
                listed = process.cmdline()
                return listed[listed.index("wait") + 1]
        time.sleep(0.1)
    raise AssertionError("no job was submitted")


def test_resume_ends_the_job_that_a_killed_command_left_and_no_other(federation: Federation) -> None:
    run, options = federation.run, ["--env", "prod", "--kit", str(federation.kit)]
    admin = Admin(federation.kit.resolve(), Nvflare(federation.folder / "home", federation.folder / "logs"))
    study = run.study()
    other = export(Job("train", study, SITES, "1" * 32, 1), federation.folder / "other")
    meta = other / "meta.json"  # a job that waits for what nobody has
    meta.write_text(meta.read_text().replace('"resource_spec": {}', '"resource_spec": {"east": {"num_of_gpus": 99}}'))
    assert "num_of_gpus" in meta.read_text()
    others = admin.submit(other)
    command = subprocess.Popen([str(VENV / "bin/fedsynth"), "train", str(run.path), *options])
    left = waited_for(federation.kit.resolve(), command)
    command.kill()
    command.wait()
    told = CliRunner().invoke(app, ["train", str(run.path), *options, "--resume"])
    assert told.exit_code == 0, told.stderr
    assert f"job {left} of a command that was ended" in told.stderr
    assert admin.meta(left)["status"] == "FINISHED:ABORTED"
    assert admin.meta(others)["status"] == "SUBMITTED"
    admin.end(others, 10)
    assert read_json(run.training_file)["status"] == "done"
    assert run.server.result("train")["nvflare_job"] not in (left, others)


def test_private_keys_never_left_their_party(federation: Federation) -> None:
    keys = {path.read_bytes(): path for path in federation.folder.rglob("client.key") if not path.is_symlink()}
    for site in SITES:
        own = [path for content, path in keys.items() if path.is_relative_to(federation.folder / site)]
        assert len(own) == 1
    assert not list((federation.folder / "lead").rglob("client.key"))


def test_doctor_finds_a_started_site_well(federation: Federation) -> None:
    place = federation.folder / "east"
    study = federation.run.study().hash
    told = CliRunner().invoke(app, ["site", "doctor", str(place / "site/site.toml"), "--kit", str(place / "kit"),
                                    "--study-hash", study, "--format", "json"])
    assert told.exit_code == 0, told.stdout
