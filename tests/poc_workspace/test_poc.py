"""The very same jobs in a real federation: server and sites of their own, mutual TLS, each site locked down."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from small_run import prepare_run, write_run
from typer.testing import CliRunner

from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json
from fl_components.study import Study
from jobs.audit import audit
from jobs.cli import app
from jobs.engine import Job, JobFailedError
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.synthesize import synthesize
from jobs.train import train
from jobs.watch import MARKER
from poc_workspace.deployment import Deployment
from poc_workspace.engine import PocEngine
from poc_workspace.project import SERVER, free_port, project
from poc_workspace.submission import export
from privacy_eval.errors import InputError


def training(study: Study) -> Job:
    return Job("train", study, tuple(study.sites), "0" * 32, study.training.rounds)


def leftovers(run: RunFolder) -> list[str]:
    """Command lines of our processes that work in the run folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if MARKER in process.environ() and str(run.path) in (line := " ".join(process.cmdline())):
                found.append(line)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def listening(process: psutil.Process) -> set[str]:
    """Addresses of the interfaces on which a process listens."""
    return {connection.laddr.ip for connection in process.net_connections("tcp") if connection.status == "LISTEN"}


def test_free_port_is_one_on_which_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        port = free_port()
        listener.bind(("127.0.0.1", port))
        listener.listen()
        monkeypatch.setattr("poc_workspace.project._PORTS", range(port, port + 1))
        with pytest.raises(InputError, match=r"none is free; 'ss -ltn' names"):
            free_port()


def test_project_has_every_party_and_listens_on_loopback() -> None:
    content = project(["east", "west"], 20001)
    parties = {party["name"]: party for party in content["participants"]}
    assert parties[SERVER]["fed_learn_port"] == 20001
    assert {name for name, party in parties.items() if party["type"] == "client"} == {"east", "west"}
    assert [party["role"] for party in parties.values() if party["type"] == "admin"] == ["lead"]
    assert len({party["org"] for party in parties.values()}) == 3  # a hospital is nobody's subordinate


def test_paths_and_names_nvflare_cannot_use_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a run", subjects=0)
    with pytest.raises(InputError, match="holds a blank"):
        Deployment(run, run.sites(run.study()), "unused")
    for index, name in enumerate(("server", "localhost")):
        run = write_run(tmp_path / f"run{index}", subjects=0, sites={name: 1.0, "west": 1.0})
        with pytest.raises(InputError, match=f"a site is called '{name}'"):
            Deployment(run, run.sites(run.study()), "unused")


def test_engine_that_is_not_entered_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not entered"):
        PocEngine(write_run(tmp_path / "run", subjects=0)).present()


def test_exported_job_carries_class_names_and_public_facts_alone(tmp_path: Path) -> None:
    study = write_run(tmp_path / "run", subjects=0).study()
    job = export(training(study), tmp_path)
    assert not list(job.rglob("custom"))
    (server,) = job.rglob("config_fed_server.json")
    assert read_json(server)["dead_client_grace_period"] == 10
    for config in job.rglob("config_fed_client.json"):
        content = read_json(config)
        assert [entry["executor"]["args"] for entry in content["executors"]] == [
            {"study_hash": study.hash, "training": "0" * 32}]
        assert content["components"] == content["task_result_filters"] == content["task_data_filters"] == []


@pytest.mark.parametrize("command", ["train", "audit"])
def test_bad_run_folder_is_one_line_and_exit_code_2(tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(app, [command, str(tmp_path / "nowhere"), "--env", "poc"])
    assert result.exit_code == 2
    assert "no such run folder" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("options", "reason"), [
    (["--env", "prod"], "needs --kit"), (["--env", "poc", "--kit", "kit"], "goes with --env prod"),
    (["--env", "prod", "--kit", "nowhere"], "no startup kit of an administrator")])
def test_wrong_kit_is_one_line_and_exit_code_2(tmp_path: Path, options: list[str], reason: str) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    result = CliRunner().invoke(app, ["train", str(run.path), *options])
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def assert_ledger_is_exactly_the_declaration(path: Path, study: Study) -> None:
    ledger = Ledger(path)
    entries = ledger.entries()
    assert ledger.verify() is None
    assert [entry["task"] for entry in entries] == ["summarise"] + ["train"] * study.training.rounds + ["audit"]
    for entry in entries:
        declared = declare(entry["task"], study)
        assert entry["decision"] == "sent"
        assert {t["name"]: tuple(t["shape"]) for t in entry["tensors"]} == {
            name: field.shape for name, field in declared.items() if field.shape}
        assert set(entry["scalars"]) == {name for name, field in declared.items() if not field.shape}


@pytest.mark.slow
def test_both_jobs_in_one_federation_end_as_in_the_simulator(tmp_path: Path) -> None:
    run, simulated = write_run(tmp_path / "run"), write_run(tmp_path / "simulated")
    study = prepare_run(run)
    prepare_run(simulated)
    train(simulated, Talk())
    with PocEngine(run) as engine:
        started = {name: party.started for name, party in engine.deployment.parties.items()}
        for party in engine.deployment.parties.values():
            for process in party.processes():
                assert listening(process) <= {"127.0.0.1", "::ffff:127.0.0.1"}
        train(run, Talk(), engine)
        synthesize(run, Talk(), replace=True)
        audit(run, Talk(), engine)
        assert {name: party.started for name, party in engine.deployment.parties.items()} == started
    assert run.server.result("train")["status"] == run.server.result("audit")["status"] == "done"
    expected = simulated.server.load_generator()
    for name, weights in run.server.load_generator().items():
        np.testing.assert_allclose(weights, expected[name], rtol=0, atol=1e-5)
    for site in run.sites(study):
        assert_ledger_is_exactly_the_declaration(site.ledger, study)
        kit = run.path / "poc/deployment/fedsynth/prod_00" / site.name
        assert read_json(kit / "startup/fed_client.json")["client"]["connection_security"] == "mtls"
        assert f"SSL {site.name}]" in (run.path / "poc/logs/server.log").read_text()
    assert not list((run.path / "poc").rglob("ERRORLOG_*"))  # as NVFlare's server stores a site's streamed log
    assert (run.path / "poc").stat().st_mode & 0o077 == 0
    assert not leftovers(run)


@pytest.mark.federation
@pytest.mark.slow
def test_dead_parties_are_started_again_and_stale_jobs_are_in_nobodys_way(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", training={"rounds": 2, "local_steps": 200})
    study = prepare_run(run)

    def kill_the_server(beats: dict) -> None:
        if any(beat.get("task") == "train" for beat in beats.values()):
            for process in engine.deployment.parties["server"].processes():
                process.kill()

    with PocEngine(run) as engine:
        with pytest.raises(JobFailedError, match="the server's NVFlare process ended"):
            engine.run(training(study), kill_the_server)
        for process in engine.deployment.parties["east"].processes():
            process.kill()
        assert engine.present() == {"east", "west"}
        assert all(len(party.processes()) == 1 for party in engine.deployment.parties.values())  # no job's is left
        result = engine.run(training(study), lambda beats: None)
        assert (result["status"], result["rounds"]) == ("done", 2)
    assert not leftovers(run)


@pytest.mark.slow
def test_sites_refuse_what_a_careless_server_lets_through(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    study = run.study()
    foreign = export(training(study), tmp_path / "foreign")
    for config in foreign.rglob("config_fed_client.json"):
        content = read_json(config)
        content["executors"][0]["executor"] = {"path": "nvflare.app_common.np.np_trainer.NPTrainer", "args": {}}
        config.write_text(json.dumps(content))
    custom = export(training(study), tmp_path / "custom")
    for config in custom.rglob("config_fed_client.json"):
        (config.parent.parent / "custom").mkdir()
        (config.parent.parent / "custom" / "own.py").write_text("print('hello')\n")

    deployment = Deployment(run, run.sites(study), "test-of-refusals")
    try:
        deployment.prepare()
        (deployment.kit("server") / "local/authorization.json").unlink()  # NVFlare's default lets custom code in
        deployment.start()
        with pytest.raises(JobFailedError, match="the server refused the job"):
            deployment.submit(tmp_path / "run/sites")  # no job at all
        job_id = deployment.submit(custom)
        process, _ = deployment.wait(job_id)
        assert process.wait(60) == 1
        assert "BYOC not permitted" in deployment.explain(job_id)
        process, _ = deployment.wait(deployment.submit(foreign))
        assert process.wait(90) == 1
        for site in study.sites:
            log = (run.path / f"poc/logs/{site}.log").read_text()
            assert "NPTrainer' at config path 'executors.#1.executor' is not in allow_list" in log
            assert not Ledger(run.site_folder(site) / "ledger.jsonl").entries()
    finally:
        deployment.stop()
    assert not leftovers(run)


@pytest.mark.slow
def test_terminated_command_leaves_no_process(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    prepare_run(run)
    command = subprocess.Popen([Path(sys.executable).with_name("fedsynth"), "train", run.path, "--env", "poc"])
    logs = run.path / "poc/logs"
    for _ in range(900):
        if (logs / "west.log").exists():  # the last party to be started
            break
        time.sleep(0.1)
    assert leftovers(run)
    command.terminate()
    assert command.wait(30) == 143
    assert not leftovers(run)
