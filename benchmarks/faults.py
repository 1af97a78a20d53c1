"""What a fault does to a training, how long until the next round is done, and whether everything is whole afterwards.

    python -m benchmarks.faults [--only NAME …] [--env poc|sim] [--beside N] [--list]

Every case is a training of three small simulated hospitals, `fedsynth train RUN --env poc`, as a process of its own.
The moment is seen in the files that the parties write (`benchmarks.fault_moments`), the fault is done to their
processes, their disk or their network (`benchmarks.fault_blows`), and then nobody helps, except where the command
itself was killed: it is started again with `--resume`. Then all is checked that is left (`benchmarks.fault_checks`).

Needs Linux; a full disk and a cut network need root. `--only` does some cases again and keeps the others' rows; run
folders stay in `runs/faults` until the next time.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.arguments import at_least_one
from benchmarks.fault_blows import Blow, blows
from benchmarks.fault_checks import (
    generator_against,
    ledger_problems,
    left_aside,
    left_running,
    rounds_without,
    sent_again,
    unreadable,
)
from benchmarks.fault_moments import SEEN, at
from benchmarks.fault_training import (
    ROUND_TIMEOUT_S,
    ROUNDS,
    SUBJECTS,
    Environment,
    MissedError,
    Training,
    copied,
    prepared,
)
from benchmarks.results import RESULTS, read_result, write_result
from fl_components.json_file import read_json
from jobs.run_folder import RunFolder

FOLDER: Final = Path("runs/faults")


class Case(NamedTuple):
    """A fault at a moment; `again`: whether a second training in the same folder is tried afterwards."""

    fault: str
    moment: str
    again: bool = False
    in_simulator: bool = False

    @property
    def name(self) -> str:
        """As `--only` takes it."""
        return f"{self.fault}, {self.moment}"


CASES: Final = (
    Case("site's job process killed", "summaries"),
    Case("site's job process killed", "local steps", in_simulator=True),
    Case("site's job process killed", "ledger written", in_simulator=True),
    Case("site's parent killed", "local steps"),
    Case("site's parent killed", "between rounds"),
    Case("site's both killed", "summaries"),
    Case("site's both killed", "local steps"),
    Case("site's both killed", "ledger written"),
    Case("server's job process killed", "local steps", in_simulator=True),
    Case("server's job process killed", "checkpoint written", in_simulator=True),
    Case("server's parent killed", "local steps"),
    Case("server's both killed", "summaries"),
    Case("server's both killed", "local steps", again=True),
    Case("server's both killed", "checkpoint written"),
    Case("site hangs, goes on later", "local steps", in_simulator=True),
    Case("site hangs, is killed later", "local steps", in_simulator=True),
    Case("site's disk full", "local steps"),
    Case("site cut off for a minute", "local steps"),
    Case("network down for a minute", "local steps"),
    Case("site ten times slower", "local steps", in_simulator=True),
    Case("command killed", "local steps"),
    Case("everything killed", "local steps", again=True, in_simulator=True),
    Case("everything killed", "ledger written"),
    Case("everything killed", "checkpoint written", in_simulator=True),
)


class Plain(NamedTuple):
    """A training without fault: its folder, seconds in all, and from each moment to the end of the next round."""

    run: RunFolder
    seconds: float
    until_next: dict[str, float]


def undisturbed(source: RunFolder, folder: Path, environment: Environment) -> Plain:
    """Train without fault and see when the moments come."""
    training = Training(copied(source, folder), environment)
    started = time.monotonic()
    training.start()
    try:
        seen = {}
        for moment, (look, _) in SEEN.items():
            training.until(partial(look, training), moment)
            seen[moment] = time.monotonic()
        if code := training.finish():
            raise MissedError(f"the training without fault failed (exit code {code}); log: {folder / 'command.log'}")
        seconds = time.monotonic() - started
    finally:
        training.clear()
    return Plain(training.run, seconds, {moment: (training.reached(SEEN[moment][1] + 1) or when) - when
                                         for moment, when in seen.items()})


def tried(case: Case, source: RunFolder, folder: Path, environment: Environment,
          plain: Future[Plain]) -> dict[str, Any]:
    """One case: the row of what happened."""
    training = Training(copied(source, folder), environment)
    blow = blows()[case.fault]
    row: dict[str, Any] = {"fault": case.fault, "moment": case.moment}
    with blow.around(training):
        try:
            struck, code = _struck(training, blow, case.moment)
            row |= _told(training, blow, struck, code, plain.result(), case.moment)
            if case.again and code == 0:
                row["next"] = _once_more(training.run, environment)
        finally:
            training.clear()
    return row


def _struck(training: Training, blow: Blow, moment: str) -> tuple[float, int]:
    """Train, strike, wait; when it was struck, on the monotonic clock, and the command's exit code."""
    training.start()
    with at(moment, training):
        struck = time.monotonic()
        blow.strike(training)
    mending = threading.Thread(target=_mend, args=(training, blow, struck, SEEN[moment][1] + 1), daemon=True)
    mending.start()
    if blow.by_hand:
        training.command.wait()
        training.start(resume=True)
    code = training.finish()
    mending.join(10)
    return struck, code


def _mend(training: Training, blow: Blow, struck: float, next_round: int) -> None:
    if blow.lasts_s is not None:
        time.sleep(max(0.0, struck + blow.lasts_s - time.monotonic()))
    else:
        while training.command.poll() is None and training.reached(next_round) is None:
            time.sleep(0.1)
    blow.mend(training)


def _told(training: Training, blow: Blow, struck: float, code: int, plain: Plain, moment: str) -> dict[str, Any]:
    """What is left, in figures and in words."""
    run, done = training.run, training.reached(SEEN[moment][1] + 1)
    without = rounds_without(run) if code == 0 else []
    again = sent_again(run)
    return {
        "completed": ("with --resume" if blow.by_hand else "by itself") if code == 0 else f"no: {_last_line(run)}",
        "jobs": len(read_json(run.training_file)["jobs"]) + blow.by_hand,
        "sent_again": _listed(number for number, count in again.items() for _ in range(count)),
        "without": _listed(without),
        "taken_back": "–" if not without else "no" if ROUNDS in without else "yes",
        "recovery_s": "never" if done is None else round(done - struck, 1),
        "plain_s": round(plain.until_next[moment], 1),
        "ledgers": "; ".join(ledger_problems(run)) or "exact",
        "files": "; ".join(unreadable(run)) or "whole",
        "left_aside": left_aside(run),
        "processes": left_running(training),
        "generator": generator_against(run, plain.run),
        "next": "–"}


def _once_more(run: RunFolder, environment: Environment) -> str:
    """A new training in the same folder."""
    training = Training(run, environment)
    started = time.monotonic()
    training.start()
    try:
        return f"done in {time.monotonic() - started:.0f} s" if training.finish() == 0 else f"no: {_last_line(run)}"
    finally:
        training.clear()


def _listed(rounds: Any) -> str:  # noqa: ANN401 - any iterable of numbers
    return ", ".join(str(number) for number in rounds) or "–"


def _last_line(run: RunFolder) -> str:
    lines = (run.path / "command.log").read_text(errors="replace").split("fedsynth: ")
    return " ".join(lines[-1].split())[:300]


def _guarded(case: Case, source: RunFolder, folder: Path, environment: Environment,
             plain: Future[Plain]) -> dict[str, Any]:
    """A case that could not be tried says so in its row."""
    path = folder / case.name.replace(" ", "-").replace("'", "").replace(",", "")
    shutil.rmtree(path, ignore_errors=True)
    try:
        row = tried(case, source, path, environment, plain)
    except Exception as error:
        traceback.print_exc()
        row = {"fault": case.fault, "moment": case.moment, "completed": f"not tried: {error}"}
    sys.stderr.write(f"{row}\n")
    return row


def measure(cases: list[Case], environment: Environment, beside: int) -> None:
    """Train without fault, try these cases, and write each one's row as soon as it is known."""
    source = prepared(FOLDER / "template")
    folder = (FOLDER / environment).resolve()
    shutil.rmtree(folder / "plain", ignore_errors=True)
    with ThreadPoolExecutor(beside) as pool:
        plain = pool.submit(undisturbed, source, folder / "plain", environment)
        for trial in as_completed([pool.submit(_guarded, case, source, folder, environment, plain) for case in cases]):
            _write(environment, trial.result(), plain.result(), beside)


def _write(environment: Environment, row: dict[str, Any], plain: Plain, beside: int) -> None:
    """Put a row in its place among those of earlier ones, in the order of `CASES`."""
    name = "faults" if environment == "poc" else "faults_sim"
    earlier = read_result(name)["figures"]["rows"] if (RESULTS / f"{name}.json").exists() else []
    rows = {(known["fault"], known["moment"]): known for known in [*earlier, row]}
    figures = {"rows": [rows[case.fault, case.moment] for case in CASES if (case.fault, case.moment) in rows],
               "plain": {"seconds": round(plain.seconds, 1),
                         **{moment: round(seconds, 1) for moment, seconds in plain.until_next.items()}}}
    write_result(name, figures, {"sites": 3, "subjects a site": SUBJECTS, "rounds": ROUNDS,
                                 "round timeout in s": ROUND_TIMEOUT_S, "cases at once": beside}, simulated=True,
                 module="faults")


def main() -> None:
    """Try the cases and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases whose name holds one of these")
    parser.add_argument("--env", choices=("poc", "sim"), default="poc")
    parser.add_argument("--beside", type=at_least_one, default=1, help="so many cases at once; each is slower then")
    parser.add_argument("--list", action="store_true", help="name the cases, do nothing")
    arguments = parser.parse_args()
    possible = [case for case in CASES if arguments.env == "poc" or case.in_simulator]
    cases = [case for name in arguments.only or [""] for case in possible if name in case.name]
    if arguments.list or not cases:
        sys.exit("\n".join(case.name for case in CASES))
    measure(cases, arguments.env, arguments.beside)


if __name__ == "__main__":
    main()
