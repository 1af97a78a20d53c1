"""What a training left on disk and in memory: is it whole, and does the sites' record agree with the server's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.fault_training import VICTIM, Training
from fl_components.guard.declaration import TRAINING_SCALARS
from fl_components.guard.ledger import Ledger
from fl_components.json_file import read_json
from fl_components.server.checkpoint import read_checkpoint
from fl_components.training.states import read_state
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

_NVFLARES: Final = ("poc", "nvflare")
"""Folders of the run that NVFlare writes, and that nobody reads after a crash."""

_SIMULATED: Final = "simulate_job"
"""NVFlare's simulator calls every job so: there a ledger does not tell one from the next."""


def unreadable(run: RunFolder) -> list[str]:
    """Files of the run that are not whole: one line each."""
    study = run.study()
    training = read_json(run.training_file)["training"]
    problems = _problems(lambda: read_checkpoint(run.server.checkpoint_file, study, training))
    problems += _problems(run.server.load_generator)
    for path in _files(run, "*.json"):
        problems += _problems(lambda path=path: read_json(path))  # type: ignore[misc]
    for path in _files(run, "round-*.pt"):
        problems += _problems(lambda path=path: read_state(path))  # type: ignore[misc]
    return problems


def left_aside(run: RunFolder) -> int:
    """Half-written files under names that nobody reads."""
    return len(_files(run, ".*.partial"))


def ledger_problems(run: RunFolder) -> list[str]:
    """What does not hold of the sites' ledgers, one line each.

    Each must be intact; an update may be in it once a job and round, since that is how often it was sent (in the
    simulator, a round as often as there were jobs); and whatever the server counted must be in it, with the very losses
    that the server heard.
    """
    problems = []
    curves = run.server.result("train").get("curves", ())  # none of a job that failed
    jobs = len(read_json(run.training_file).get("jobs", ()))
    for name in run.study().sites:
        for record in ("ledger.jsonl", "wire.jsonl"):  # what its executor let leave, and what its wall saw leave
            problem = Ledger(run.site_folder(name) / record).verify()
            problems += [problem] if problem else []
        sent = _updates(run, name)
        often = Counter((entry["job"], entry["round"]) for entry in sent)
        problems += [f"{name}: round {number + 1} is {count} times in the ledger of one job"
                     for (job, number), count in often.items() if count > (jobs if job == _SIMULATED else 1)]
        told = {(entry["round"] + 1, *_losses(entry["scalars"])) for entry in sent}
        problems += [f"{name}: the server counted round {row['round']}, the ledger has no such update"
                     for row in curves if row["site"] == name and (row["round"], *_losses(row)) not in told]
    return problems


def sent_again(run: RunFolder) -> dict[int, int]:
    """How often more than once the updates of a round were sent, by the round from 1, at most of all sites."""
    again: Counter[int] = Counter()
    for name in run.study().sites:
        for number, count in Counter(entry["round"] for entry in _updates(run, name)).items():
            again[number + 1] = max(again[number + 1], count - 1)
    return {number: count for number, count in sorted(again.items()) if count}


def rounds_without(run: RunFolder, site: str = VICTIM) -> list[int]:
    """Rounds, from 1, in which no update of a site counted."""
    counted = {row["round"] for row in run.server.result("train")["curves"] if row["site"] == site}
    return [number for number in range(1, run.study().training.rounds + 1) if number not in counted]


def generator_against(run: RunFolder, plain: RunFolder) -> str:
    """"the same", bit by bit, as that of a training without fault; "another", or what is wrong with it."""
    if not run.server.generator_file.exists():
        return "none"
    weights, expected = run.server.load_generator(), plain.server.load_generator()
    if not all(np.isfinite(value).all() for value in weights.values()):
        return "not finite"
    same = weights.keys() == expected.keys() and all(np.array_equal(value, expected[name])
                                                     for name, value in weights.items())
    return "the same" if same else "another"


def left_running(training: Training) -> int:
    """Living processes that name the run folder."""
    return len(training.processes())


def _updates(run: RunFolder, name: str) -> list[dict[str, Any]]:
    entries = Ledger(run.site_folder(name) / "ledger.jsonl").entries()
    return [entry for entry in entries if (entry.get("task"), entry["decision"]) == ("train", "sent")]


def _losses(fields: dict[str, Any]) -> tuple[float, ...]:
    return tuple(fields[name] for name in sorted(TRAINING_SCALARS))


def _files(run: RunFolder, pattern: str) -> list[Path]:
    return [path for path in run.path.rglob(pattern) if path.relative_to(run.path).parts[0] not in _NVFLARES]


def _problems(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except InputError as error:
        return [str(error)]
    return []
