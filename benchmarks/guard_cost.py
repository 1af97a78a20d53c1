"""What a site's guards cost a round, beside the round's training.

For the run's study: the seconds of each control on one update of its generator, with a ledger that holds as many
entries as one run leaves, and one of three hundred (each append reads the ledger from its beginning). "executor's
guard" is `Guard.release`, "site filter" and "wire guard" are the second and third look at the same answer in a
deployment, "received weights" is the check of what the server sent. Seconds are the processor's, so that a busy machine
counts for nothing, and neither does waiting for the disk. Training is timed on a few steps of a site's own members and
scaled to `local_steps`; NVFlare's own time and the network's are in neither.

    python -m benchmarks.guard_cost [RUN] [--repeats N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import tomli_w
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode

from benchmarks.arguments import at_least_one, run_benchmark, run_parser
from benchmarks.hospitals import all_simulated, load_hospitals
from benchmarks.results import quartiles, write_result
from fl_components.client.received import require_plausible
from fl_components.guard.declaration import TRAINING_SCALARS, declare
from fl_components.guard.egress import Guard
from fl_components.guard.result_check import ResultCheck
from fl_components.guard.seal import Seal
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.study import Study
from fl_components.training.local import LocalTrainer
from jobs.run_folder import RunFolder

Found = TypeVar("Found")

LONG: Final = 300
"""Entries of a ledger that has seen many runs."""
STEPS: Final = 6
"""Training steps that are timed."""


def main() -> int:
    """The command line."""
    parser = run_parser(__doc__)
    parser.add_argument("--repeats", type=at_least_one, default=20)
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Time everything, write the result."""
    run: RunFolder = arguments.run
    study = run.study()
    training = seconds_of_training(run, study)
    short = 1 + study.training.rounds
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for entries in (short, LONG):
            seal = site_of(Path(folder) / str(entries), run)
            seconds = repeated(seal, entries, arguments.repeats)
            total = np.sum(list(seconds.values()), axis=0)
            rows.append({"entries": entries, **{name: quartiles(values) for name, values in seconds.items()},
                         "seconds_all": quartiles(list(total)), "share": quartiles(list(total / (total + training)))})
    size = sum(value.nbytes for value in weights_of(build_generator(study)).values())
    write_result("guard_cost", {"ledgers": rows, "seconds_training": training, "update_mib": size / 2**20},
                 {"repeats": arguments.repeats, "training steps timed": STEPS}, study_hash=study.hash,
                 simulated=all_simulated(run))
    return 0


def seconds_of_training(run: RunFolder, study: Study) -> float:
    """Of `local_steps` at the study's heaviest site, from a few steps after two that warm up."""
    members = load_hospitals(run, "members", 2 * STEPS)[max(study.sites, key=study.weight)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = LocalTrainer(study, members, Path(folder) / "states", 0)
        weights = weights_of(build_generator(study))
        trainer.train(weights, 0, 2)
        started = time.process_time()
        trainer.train(weights, 1, STEPS)
        return (time.process_time() - started) / STEPS * study.training.local_steps


def site_of(folder: Path, run: RunFolder) -> Seal:
    """A site with the run's study and an empty ledger."""
    folder.mkdir()
    path = folder / "site.toml"
    path.write_text(tomli_w.dumps({
        "name": next(iter(run.study().sites)), "study": str(run.study_file.resolve()), "state": "state",
        "data": {"root": "data", "dialect": "brats2020"}, "policy": {"maximum_rounds": 2 * LONG}}))
    return Seal(path)


def updates(study: Study) -> Iterator[Weights]:
    """Answers to "train" of small random numbers, one unlike the other."""
    rng = np.random.default_rng(0)
    shapes = {name: field.shape for name, field in declare("train", study).items() if name not in TRAINING_SCALARS}
    while True:
        yield {**{name: 1e-3 * rng.standard_normal(shape, np.float32) for name, shape in shapes.items()},
               **{name: np.array(rng.uniform()) for name in TRAINING_SCALARS}}


def repeated(seal: Seal, entries: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of each control in each repeat, with a ledger of so many entries before the first."""
    guard, answers = Guard(seal.site, seal.study), updates(seal.study)
    for number in range(entries - 1):
        guard.release("train", next(answers), job="earlier", round_number=number)
    walls = {wall: ResultCheck(seal, wall) for wall in ("site filter", "wire guard")}
    weights = weights_of(build_generator(seal.study))
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        timed(seconds, "received weights", partial(require_plausible, weights, 0, seal.study, seal.site.state))
        passed = timed(seconds, "executor's guard", partial(
            guard.release, "train", next(answers), job="now", round_number=0))
        reply = DXO(DataKind.WEIGHT_DIFF, dict(passed)).to_shareable()
        for name, wall in walls.items():
            checked = timed(seconds, name, partial(wall.passed, reply, "train", "now"))
            if checked.get_return_code() != ReturnCode.OK:
                raise RuntimeError(f"the {name} refused an honest answer: see {seal.site.ledger}")
    return seconds


def timed(seconds: dict[str, list[float]], name: str, work: Callable[[], Found]) -> Found:
    """What `work` gives; the time it took joins the list of that name."""
    started = time.process_time()
    found = work()
    seconds.setdefault(name, []).append(time.process_time() - started)
    return found


if __name__ == "__main__":
    sys.exit(main())
