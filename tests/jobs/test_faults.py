"""What goes wrong in a simulation: one line that names the site, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from small_run import prepare_run, write_run

from fl_components.client.heartbeat import heartbeat_file
from fl_components.guard.ledger import Ledger
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.train import train
from jobs.watch import JobFailedError

pytestmark = pytest.mark.slow

def strike(run: RunFolder, site: str, blow: Callable[[int], None]) -> threading.Thread:
    """Once the site trains, strike its process."""
    path = heartbeat_file(run.site_folder(site) / "state")

    def wait_and_strike() -> None:
        for _ in range(1200):
            beat = json.loads(path.read_text()) if path.exists() else {}
            if beat.get("task") == "train" and beat["done"] > 0:
                blow(beat["pid"])
                return
            time.sleep(0.1)

    thread = threading.Thread(target=wait_and_strike)
    thread.start()
    return thread


def leftovers(run: RunFolder) -> list[str]:
    lines = (" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(run.path) in line and "pytest" not in line]


def test_killed_client_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", training={"rounds": 2, "local_steps": 400})
    prepare_run(run)
    thread = strike(run, "west", lambda pid: os.kill(pid, signal.SIGKILL))
    with pytest.raises(JobFailedError) as error:
        train(run, Talk())
    thread.join()
    assert "site 'west': its process died" in str(error.value)
    assert "\n" not in str(error.value)
    assert not leftovers(run)


def test_training_goes_on_without_a_hanging_client(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", training={"rounds": 2, "local_steps": 100},
                    federation={"round_timeout_s": 40, "minimum_updates": 1})  # by default two sites are both needed
    prepare_run(run)
    thread = strike(run, "west", lambda pid: os.kill(pid, signal.SIGSTOP))
    train(run, Talk())
    thread.join()
    result = run.server.result("train")
    assert result["absent"] == [{"round": 1, "site": "west"}, {"round": 2, "site": "west"}]
    assert [(row["round"], row["site"]) for row in result["curves"]] == [(1, "east"), (2, "east")]
    assert run.server.generator_file.exists()
    assert not leftovers(run)


def test_terminated_command_takes_its_simulation_along(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", training={"rounds": 2, "local_steps": 400})
    prepare_run(run)
    command = subprocess.Popen([Path(sys.executable).with_name("fedsynth"), "train", run.path],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    strike(run, "west", lambda _: command.terminate()).join()
    assert command.wait(60) == 143
    assert not leftovers(run)


def test_what_the_policy_forbids_stops_the_job(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    prepare_run(run)
    site = run.site_file("east")
    site.write_text(site.read_text().replace("minimum_count = 3", "minimum_count = 3\nmaximum_update_norm = 1e-6"))
    with pytest.raises(JobFailedError, match=r"site 'east'.*norm .* exceeds the policy's 1e-06"):
        train(run, Talk())
    entries = Ledger(run.site_folder("east") / "ledger.jsonl").entries()
    assert [entry["decision"] for entry in entries] == ["sent", "refused"]
    assert not run.server.generator_file.exists()
    assert not leftovers(run)
