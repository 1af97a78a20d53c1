"""What a provisioned federation on this machine costs: seconds and memory until it is up, bytes a round and site.

    python -m benchmarks.poc [runs/demo]

The run folder is only read: the federation trains two rounds in a temporary copy of its prepared cohorts. Memory is the
proportional set size (PSS: pages shared by several processes are counted once) of idle parties, before any job.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.arguments import run_parser
from benchmarks.federation import copy_run
from benchmarks.hospitals import all_simulated
from benchmarks.results import quartiles, write_result
from fl_components.guard.ledger import Ledger
from jobs.engine import Heartbeats, Job, JobFailedError
from jobs.run_folder import RunFolder
from poc_workspace.engine import PocEngine
from poc_workspace.party import Party
from privacy_eval.errors import InputError

REPEATS: Final = 3
_MIB: Final = 2**20


class Start(NamedTuple):
    """Seconds until all sites are connected, until a job's first site works, from its last round until all is ended;
    PSS of the idle server and of a site, MiB."""

    up: float
    job: float
    stop: float
    server: float
    site: float


def start_and_train(run: RunFolder) -> Start:
    """Make a federation, train in it, end it."""
    study = run.study()
    first: list[float] = []
    started = time.perf_counter()

    def on_progress(beats: Heartbeats) -> None:
        if beats and not first:
            first.append(time.perf_counter())

    with PocEngine(run) as engine:
        up = time.perf_counter()
        parties = engine.deployment.parties
        server, sites = memory(parties["server"]), [memory(parties[name]) for name in study.sites]
        submitted = time.perf_counter()
        engine.run(Job("train", study, tuple(study.sites), uuid.uuid4().hex, study.training.rounds), on_progress)
        ended = time.perf_counter()
    return Start(up - started, first[0] - submitted, time.perf_counter() - ended, server, sum(sites) / len(sites))


def memory(party: Party) -> float:
    """MiB of PSS of a party's processes."""
    return sum(process.memory_full_info().pss for process in party.processes()) / _MIB


def bytes_sent(run: RunFolder) -> dict[str, int]:
    """Means over sites and rounds: an update as the ledger has it, and all that a training's jobs sent out for it."""
    updates, wire = [], 0
    for site in run.sites(run.study()):
        updates += [entry["bytes"] for entry in Ledger(site.ledger).entries()
                    if entry["decision"] == "sent" and entry["task"] == "train"]
        wire += sum(size for entry in Ledger(site.ledger.with_name("wire.jsonl")).entries()
                    if entry["event"] == "totals" and entry["process"] == "job"
                    for name, size in entry["passed"].items() if name.startswith("out") and name.endswith("bytes"))
    return {"bytes_update": round(sum(updates) / len(updates)), "bytes_wire": round(wire / len(updates))}


def measure(run: RunFolder, repeats: int) -> dict[str, Any]:
    """Figures of so many federations, one after the other."""
    starts = [start_and_train(run) for _ in range(repeats)]
    return {**{f"seconds_{name}": quartiles([getattr(start, name) for start in starts])
               for name in ("up", "job", "stop")},
            **{f"mib_{name}": quartiles([getattr(start, name) for start in starts]) for name in ("server", "site")},
            **bytes_sent(run)}


def main() -> None:
    """Measure and write the result."""
    parser = run_parser(__doc__)
    source = parser.parse_args().run
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = copy_run(source, Path(folder) / "run", {"rounds": 2, "local_steps": 5})
            study, simulated = run.study(), all_simulated(run)
            figures = measure(run, REPEATS)
    except (InputError, JobFailedError) as error:
        parser.error(str(error))
    write_result("poc", figures, {"repeats": REPEATS, "sites": len(study.sites), "rounds": 2}, study_hash=study.hash,
                 simulated=simulated)


if __name__ == "__main__":
    main()
