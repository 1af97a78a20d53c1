"""A small training in a process and a folder of its own, and what it and its parties can be seen doing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import psutil
import tomli_w

from fl_components.client.heartbeat import heartbeat_file
from fl_components.cohort.cohort import Cohort, prepare_cohort
from fl_components.cohort.simulate.hospital import DIALECT, simulate_subject
from fl_components.json_file import read_json
from fl_components.server.checkpoint import rounds_done
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

Environment = Literal["poc", "sim"]
Part = Literal["parent", "job", "both"]
"""A party's process that stays up, the one that it starts for a job, or both."""

ROUNDS: Final = 5
ROUND_TIMEOUT_S: Final = 60
SUBJECTS: Final = 15
SERVER: Final = "server"
DEADLINE_S: Final = 1200.0
"""No training of this size takes longer, whatever befalls it."""
_LOOK_S: Final = 0.005

_STUDY: Final[dict[str, Any]] = {
    "name": "faults", "preset": "tiny", "seed": 7, "sites": {"north": 2.0, "south": 1.0, "east": 1.0},
    "grid": {"shape": [24, 28, 24], "spacing_mm": 7.0},
    "network": {"generator_channels": [4, 8], "discriminator_channels": 4, "latent_size": 4},
    "training": {"rounds": ROUNDS, "local_steps": 25},
    "federation": {"round_timeout_s": ROUND_TIMEOUT_S, "rounds_per_job": 1},
    "audit": {"minimum_subjects": 5, "calibration_subjects": 6}}
VICTIM: Final = "south"
"""The site that faults befall."""


class MissedError(RuntimeError):
    """A moment that did not come, or was over too early."""


class Completion(NamedTuple):
    """`at`: on the monotonic clock, s, when so many `rounds` were on the server's disk."""

    at: float
    rounds: int


def prepared(path: Path) -> RunFolder:
    """A run folder with three small simulated hospitals, prepared; made unless it is there."""
    run = RunFolder(path)
    if not _is_prepared(run):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        run.study_file.write_text(tomli_w.dumps(_STUDY))
        study = run.study()
        for index, name in enumerate(study.sites):
            folder = run.site_folder(name)
            for k in range(SUBJECTS):
                simulate_subject(name, index, k, folder / "data", folder / "truth", study.seed)
            run.site_file(name).write_text(tomli_w.dumps({
                "name": name, "study": "../../study.toml", "state": "state",
                "data": {"root": "data", "dialect": DIALECT, "simulated": True, "split_seed": index},
                "policy": {"minimum_subjects": 5, "minimum_count": 3}}))
        for site in run.sites(study):
            prepare_cohort(site, study)
    return run


def _is_prepared(run: RunFolder) -> bool:
    try:
        study = run.study()
        for site in run.sites(study):
            Cohort.load(site, study)
    except InputError:
        return False
    return run.study_file.read_text() == tomli_w.dumps(_STUDY)


def copied(source: RunFolder, path: Path) -> RunFolder:
    """The same run folder elsewhere."""
    shutil.copytree(source.path, path)
    return RunFolder(path)


class Training:
    """`fedsynth train` in a process and a network namespace of its own (where root may make one).

    Args:
        run: the run folder.
        environment: which engine runs it.
    """

    def __init__(self, run: RunFolder, environment: Environment) -> None:
        self.run, self.environment = run, environment
        self.command: subprocess.Popen[bytes]
        self.completions: list[Completion] = []
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self, resume: bool = False) -> None:
        """Start the command, and begin to watch the checkpoint."""
        words = [str(Path(sys.executable).with_name("fedsynth")), "train", str(self.run.path), "--env",
                 self.environment, *(["--resume"] if resume else [])]
        if has_namespace := can_unshare():
            words = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *words]
        self.isolated = has_namespace
        with (self.run.path / "command.log").open("ab") as log:
            # The code beside this file, not an installation's, which may be another.
            own = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            self.command = subprocess.Popen(words, env=own, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, process_group=0)
        if not self._watcher.is_alive():
            self._watcher.start()

    def reached(self, rounds: int) -> float | None:
        """When so many rounds were on the server's disk, on the monotonic clock; None if they are not yet."""
        return next((completion.at for completion in list(self.completions) if completion.rounds >= rounds), None)

    def finish(self) -> int:
        """Wait for the command's end and return its exit code.

        Raises:
            MissedError: if it does not end; it and its parties are ended then.
        """
        try:
            return self.command.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise MissedError(f"not done after {DEADLINE_S:.0f} s") from None

    def clear(self) -> None:
        """End whatever still runs."""
        self._over.set()
        while left := self.processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.command.poll()
            time.sleep(0.1)
        self.command.wait()

    def processes(self, party: str | None = None, part: Part = "both") -> list[psutil.Process]:
        """Living processes of the command and everybody (no party), or of a party's part."""
        if party is None:
            own = str(self.run.path)
            return [process for process, words in _lines() if any(f"{own}/" in f"{word}/" for word in words)]
        if self.environment == "sim":
            return self._simulated(party)
        kit = str(self.run.path.resolve() / "poc" / "deployment" / "fedsynth" / "prod_00" /
                  ("localhost" if party == SERVER else party))
        found = [(process, any(word.endswith(("client_train", "server_train")) for word in words))
                 for process, words in _lines() if kit in words]
        return [process for process, is_parent in found if part == "both" or is_parent == (part == "parent")]

    def _simulated(self, party: str) -> list[psutil.Process]:
        """The simulator's server is in the process that started the sites'; no other parents are there."""
        beat = self.beat(VICTIM)
        try:
            process = psutil.Process(int(beat["pid"]))
            found = process.parent() if party == SERVER else process
        except (KeyError, psutil.NoSuchProcess):
            return []
        return [found] if found is not None else []

    def beat(self, site: str) -> dict[str, Any]:
        """What a site last said of itself."""
        path = heartbeat_file(self.run.site_folder(site) / "state")
        return dict(read_json(path)) if path.exists() else {}

    def rounds(self) -> int:
        """Rounds that the server has said to be done."""
        path = self.run.server.result_file("train")
        return int(json.loads(path.read_text()).get("rounds", 0)) if path.exists() else 0

    def sent(self, site: str, round_number: int) -> bool:
        """Whether the site's ledger holds an update of that round, counted from 0."""
        path = self.run.site_folder(site) / "ledger.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        entries = [json.loads(line) for line in lines if b'"train"' in line]
        return any((entry["task"], entry["round"], entry["decision"]) == ("train", round_number, "sent")
                   for entry in entries if "task" in entry)

    def until(self, seen: Callable[[], bool], what: str) -> None:
        """Wait until something is seen.

        Raises:
            MissedError: if the command ends first, or it takes too long.
        """
        deadline = time.monotonic() + DEADLINE_S / 2
        while not _seen(seen):
            if self.command.poll() is not None:
                raise MissedError(f"the command ended (exit code {self.command.returncode}) before {what}")
            if time.monotonic() > deadline:
                raise MissedError(f"{what}: not seen in {DEADLINE_S / 2:.0f} s")
            time.sleep(_LOOK_S)

    def _watch(self) -> None:
        """Note when each round is on the server's disk."""
        path, known = self.run.server.checkpoint_file, 0
        while not self._over.wait(0.05):
            with contextlib.suppress(InputError):  # not there yet, or just being removed
                if (rounds := rounds_done(path, read_json(self.run.training_file)["training"])) > known:
                    known = rounds
                    self.completions.append(Completion(time.monotonic(), rounds))


def _seen(look: Callable[[], bool]) -> bool:
    """What is looked at may be removed meanwhile: then it was not seen."""
    try:
        return look()
    except (InputError, OSError):
        return False


def send(processes: list[psutil.Process], kind: signal.Signals) -> None:
    """Send a signal to those that still live."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(kind)


def can_unshare() -> bool:
    """Whether this user may make network namespaces."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "--net", "true"], stderr=subprocess.DEVNULL).returncode == 0


def _lines() -> Iterator[tuple[psutil.Process, list[str]]]:
    """All processes that can be read, with the words of their command lines; this one's ancestors name no run."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process, process.cmdline()
