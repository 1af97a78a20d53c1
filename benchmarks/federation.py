"""Wall time of federated against central training for equally many steps, on the cohorts of a run folder.

    python -m benchmarks.federation [runs/demo]

Federated: NVFlare's simulator, every site a process with its own thread budget. Central: all members pooled, one
process with a thread a core. The run folder is only read: both work in a temporary copy of its prepared cohorts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomli_w
import torch

from benchmarks.arguments import run_parser
from benchmarks.central import central_training
from benchmarks.hospitals import all_simulated, load_hospitals, pooled
from benchmarks.results import quartiles, write_result
from fl_components.cohort.cohort import Cohort
from fl_components.study import Study
from fl_components.toml_model import read_toml
from jobs.engine import Heartbeats, Job, JobFailedError
from jobs.run_folder import RunFolder
from jobs.simulation import Simulator
from privacy_eval.errors import InputError

ROUNDS: Final = 2
REPEATS: Final = 3


class Federated(NamedTuple):
    """Seconds until the first site works, from there to the job's end, and until every process is gone."""

    start: float
    work: float
    stop: float


class Central(NamedTuple):
    """Seconds of reading the members, and of training."""

    start: float
    work: float


def copy_run(source: RunFolder, target: Path, training: dict[str, Any]) -> RunFolder:
    """A run folder with a copy of every site's prepared cohort and the same scans.

    Args:
        source: its sites are prepared; nothing in it is written.
        target: the new folder.
        training: keys of the study's `training` table to replace, such as `rounds`.

    Raises:
        InputError: if the source's study, a site or its cohort is missing or invalid.
    """
    run = RunFolder(target)
    content = read_toml(source.study_file)
    content["training"] = {**content.get("training", {}), **training}
    study = Study.parse(content, str(source.study_file))
    target.mkdir(parents=True)
    run.study_file.write_text(tomli_w.dumps(content), encoding="utf-8")
    for site in source.sites(source.study()):
        Cohort.load(site, study)
        shutil.copytree(site.state / "cohort", run.site_folder(site.name) / "state" / "cohort")
        copied = site.model_copy(update={"study": Path("../../study.toml"), "state": Path("state")})
        run.site_file(site.name).write_text(copied.to_toml(), encoding="utf-8")
    return run


def time_federated(run: RunFolder) -> Federated:
    """Train the run's study under NVFlare, as `fedsynth train` does, and time its phases."""
    study = run.study()
    first: list[float] = []
    last = started = time.perf_counter()

    def watch(beats: Heartbeats) -> None:
        nonlocal last
        last = time.perf_counter()
        if beats and not first:
            first.append(last)

    Simulator(run).run(Job("train", study, tuple(study.sites), uuid.uuid4().hex, study.training.rounds), watch)
    return Federated(first[0] - started, last - first[0], time.perf_counter() - last)


def time_central(run: RunFolder, threads: int) -> Central:
    """Train on the pooled members of the run's sites for as many steps as its sites take together."""
    study = run.study()
    torch.set_num_threads(threads)
    started = time.perf_counter()
    members = pooled(load_hospitals(run, "members"))
    loaded = time.perf_counter()
    steps = len(study.sites) * study.training.rounds * study.training.local_steps
    central_training(study, members, steps, study.seed, run.path / "central" / "state.pt")
    return Central(loaded - started, time.perf_counter() - loaded)


def compare(run: RunFolder, repeats: int) -> dict[str, Any]:
    """Figures of federated and central training in turns; each ratio is of one turn.

    `times_central` compares whole wall times; `times_central_net` leaves out, on both sides, what comes before the
    first site works, or before the first central step, and NVFlare's stop.
    """
    pairs = [(time_federated(run), time_central(run, os.cpu_count() or 1)) for _ in range(repeats)]
    return {
        "seconds_federated": quartiles([sum(federated) for federated, _ in pairs]),
        "seconds_central": quartiles([sum(central) for _, central in pairs]),
        "times_central": quartiles([sum(federated) / sum(central) for federated, central in pairs]),
        "seconds_nvflare_start": quartiles([federated.start for federated, _ in pairs]),
        "seconds_nvflare_stop": quartiles([federated.stop for federated, _ in pairs]),
        "seconds_central_reading": quartiles([central.start for _, central in pairs]),
        "times_central_net": quartiles([federated.work / central.work for federated, central in pairs])}


def main() -> None:
    """Measure and write the result."""
    parser = run_parser(__doc__)
    source = parser.parse_args().run
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = copy_run(source, Path(folder) / "run", {"rounds": ROUNDS})
            study, simulated = run.study(), all_simulated(run)
            figures = compare(run, REPEATS)
    except (InputError, JobFailedError) as error:
        parser.error(str(error))
    steps = study.training.local_steps
    write_result("federation", figures, {"repeats": REPEATS, "sites": len(study.sites), "rounds": ROUNDS,
                                         "local steps": steps, "steps in total": len(study.sites) * ROUNDS * steps},
                 study_hash=study.hash, simulated=simulated)


if __name__ == "__main__":
    main()
