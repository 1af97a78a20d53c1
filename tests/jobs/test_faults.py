"""What goes wrong in a simulation: the training goes on where it can, and no process is left behind."""

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

import numpy as np
import psutil
import pytest
from small_run import prepare_run, write_run

from fl_components.client.heartbeat import heartbeat_file
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json
from jobs.engine import JobRefusedError
from jobs.output import Talk
from jobs.run_folder import RunFolder
from jobs.train import train

pytestmark = [pytest.mark.slow, pytest.mark.federation]


def strike(run: RunFolder, site: str, blow: Callable[[int], None], round_number: int = 0) -> threading.Thread:
    """Once the site trains in a round, strike its process."""
    path = heartbeat_file(run.site_folder(site) / "state")

    def wait_and_strike() -> None:
        for _ in range(3000):
            beat = json.loads(path.read_text()) if path.exists() else {}
            if beat.get("task") == "train" and beat["round"] == round_number and beat["done"] > 0:
                blow(beat["pid"])
                return
            time.sleep(0.1)

    thread = threading.Thread(target=wait_and_strike)
    thread.start()
    return thread


def leftovers(run: RunFolder) -> list[str]:
    lines = (" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(run.path) in line and "pytest" not in line]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_the_server(pid: int) -> None:
    """The simulator's server is in the process that started the site's."""
    kill(psutil.Process(pid).ppid())


def intact(run: RunFolder) -> bool:
    checks = [Ledger(site.ledger).check() for site in run.sites(run.study())]
    return all(check.problem is None and check.entries for check in checks)


def test_a_killed_site_costs_a_round_and_is_taken_back(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sites={"east": 2.0, "north": 1.0, "west": 1.0},
                    training={"rounds": 3, "local_steps": 20}, federation={"rounds_per_job": 1})
    prepare_run(run)
    thread = strike(run, "west", kill, round_number=1)
    made = train(run, Talk())
    thread.join()
    assert made["rounds"] == 3
    jobs = read_json(run.training_file)["jobs"]
    assert [(job["rounds"], job["left_out"]) for job in jobs] == [(1, []), (2, ["west"]), (3, [])]
    assert "site 'west': its process died during 'train'" in jobs[0]["reason"]
    told = [(row["round"], row["site"]) for row in run.server.result("train")["curves"]]
    assert told == [(r, site) for r in (1, 2, 3) for site in ("east", "north", "west") if (r, site) != (2, "west")]
    assert intact(run)
    assert not leftovers(run)


def test_a_killed_server_costs_a_round_and_changes_nothing(tmp_path: Path) -> None:
    weights = []
    for name in ("plain", "killed"):
        run = write_run(tmp_path / name, training={"rounds": 3, "local_steps": 10})
        prepare_run(run)
        thread = strike(run, "west", kill_the_server, round_number=1) if name == "killed" else None
        made = train(run, Talk())
        if thread is not None:
            thread.join()
        assert (made["rounds"], made["jobs"]) == (3, 2 if thread else 1)
        assert intact(run)
        assert not leftovers(run)
        weights.append(run.server.load_generator())
    assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())


def test_training_goes_on_without_a_hanging_site(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", training={"rounds": 2, "local_steps": 20},
                    federation={"round_timeout_s": 90, "minimum_updates": 1})  # by default two sites are both needed
    prepare_run(run)
    thread = strike(run, "west", lambda pid: os.kill(pid, signal.SIGSTOP))
    train(run, Talk())
    thread.join()
    result = run.server.result("train")
    assert result["absent"] == [{"round": 1, "site": "west"}]  # of the second round it was left out
    assert [(row["round"], row["site"]) for row in result["curves"]] == [(1, "east"), (2, "east")]
    assert intact(run)
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
    with pytest.raises(JobRefusedError, match=r"site 'east'.*norm .* exceeds the policy's 1e-06"):
        train(run, Talk())
    entries = Ledger(run.site_folder("east") / "ledger.jsonl").entries()
    assert [entry["decision"] for entry in entries] == ["sent", "refused"]
    assert not run.server.generator_file.exists()
    assert not leftovers(run)
