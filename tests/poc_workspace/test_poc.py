"""The very same job in a real deployment: server and sites of their own, mutual TLS, each site locked down."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from small_run import prepare_run, write_run
from typer.testing import CliRunner

from fl_components.guard.declaration import declare
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json
from fl_components.study import Study
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.train import train
from jobs.watch import MARKER, JobFailedError
from poc_workspace.__main__ import app
from poc_workspace.deployment import PORT, Deployment, require_free_port
from poc_workspace.poc import export, run_in_poc
from privacy_eval.errors import InputError


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port somebody else listens on."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        yield listener.getsockname()[1]


def marked() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if MARKER in process.environ():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def leftovers(run: RunFolder) -> list[str]:
    """Command lines of marked processes that work in the run folder."""
    return [line for process in marked() if str(run.path) in (line := " ".join(process.cmdline()))]


def test_taken_port_is_one_clear_line(taken_port: int) -> None:
    with pytest.raises(InputError, match=rf"^port {taken_port}: .*ss -ltnp.*$") as error:
        require_free_port(taken_port)
    assert "\n" not in str(error.value)


def test_paths_and_names_nvflare_cannot_use_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a run", subjects=0)
    with pytest.raises(InputError, match="holds a blank"):
        Deployment(run, run.sites(run.study()), "unused")
    run = write_run(tmp_path / "run", subjects=0, sites={"server": 1.0, "west": 1.0})
    with pytest.raises(InputError, match="a site is called 'server'"):
        Deployment(run, run.sites(run.study()), "unused")


def test_exported_job_carries_class_names_and_the_studys_hash_alone(tmp_path: Path) -> None:
    study = write_run(tmp_path / "run", subjects=0).study()
    job = export("train", study, tmp_path)
    assert not list(job.rglob("custom"))
    client = read_json(job / "app/config/config_fed_client.json")
    assert [entry["executor"]["args"] for entry in client["executors"]] == [{"study_hash": study.hash}]
    assert client["components"] == client["task_result_filters"] == client["task_data_filters"] == []


def test_bad_run_folder_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "no such run folder" in result.stderr
    assert result.stderr.count("\n") == 1


def assert_ledger_is_exactly_the_declaration(path: Path, study: Study) -> None:
    ledger = Ledger(path)
    entries = ledger.entries()
    assert ledger.verify() is None
    assert [entry["task"] for entry in entries] == ["summarise"] + ["train"] * study.training.rounds
    for entry in entries:
        declared = declare(entry["task"], study)
        assert entry["decision"] == "sent"
        assert {t["name"]: tuple(t["shape"]) for t in entry["tensors"]} == {
            name: field.shape for name, field in declared.items() if field.shape}
        assert set(entry["scalars"]) == {name for name, field in declared.items() if not field.shape}


@pytest.mark.slow
def test_training_in_poc(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    study = prepare_run(run)
    train(run, Talk(), run_in_poc)
    assert run.server.result("train")["status"] == "done"
    assert run.server.generator_file.exists()
    for site in run.sites(study):
        assert_ledger_is_exactly_the_declaration(site.ledger, study)
        kit = next((run.path / "poc/deployment").glob(f"*/prod_*/{site.name}"))
        assert read_json(kit / "startup/fed_client.json")["client"]["connection_security"] == "mtls"
        assert f"SSL {site.name}]" in (run.path / "poc/logs/server.log").read_text()
    assert not list((run.path / "poc").rglob("ERRORLOG_*"))  # as NVFlare's server stores a site's streamed log
    assert not leftovers(run)
    require_free_port(PORT)


@pytest.mark.slow
def test_sites_refuse_what_a_careless_server_lets_through(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=0)
    study = run.study()
    foreign = export("train", study, tmp_path / "foreign")
    config = foreign / "app/config/config_fed_client.json"
    content = read_json(config)
    content["executors"][0]["executor"] = {"path": "nvflare.app_common.np.np_trainer.NPTrainer", "args": {}}
    config.write_text(json.dumps(content))
    custom = export("train", study, tmp_path / "custom")
    (custom / "app/custom").mkdir()
    (custom / "app/custom/own.py").write_text("print('hello')\n")

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
        assert "east: NVFLARE_ERROR: BYOC not permitted" in deployment.explain(job_id)
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
    command = subprocess.Popen([sys.executable, "-m", "poc_workspace", str(run.path)])
    logs = run.path / "poc/logs"
    for _ in range(600):
        if (logs / "west.log").exists():  # the last party to be started
            break
        time.sleep(0.1)
    assert leftovers(run)
    command.terminate()
    assert command.wait(30) == 143
    assert not leftovers(run)
    require_free_port(PORT)
