"""Faults, as they are done to a running training: kills, stops, a full disk, a cut network, a slow machine."""

from __future__ import annotations

import contextlib
import errno
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.fault_training import SERVER, VICTIM, Part, Training, send

CUT_S: Final = 60.0
_SLOW: Final = (0.18, 0.02)
"""Seconds stopped and seconds running, in turns."""
_DISK_MIB: Final = 64

Strike = Callable[[Training], None]


def _nothing(_: Training) -> None:
    """Where nothing is to be done."""


@contextmanager
def _as_it_is(_: Training) -> Iterator[None]:
    yield


@dataclass(frozen=True)
class Blow:
    """A fault.

    Attributes:
        strike: brings it about, and returns.
        mend: takes it away again; once the next round is done, or `lasts_s` later if that is given.
        around: what it needs from before the training's start to after its end.
        by_hand: whether the command itself dies of it, so that a hand must start it again.
    """

    strike: Strike
    mend: Strike = _nothing
    lasts_s: float | None = None
    around: Callable[[Training], AbstractContextManager[None]] = _as_it_is
    by_hand: bool = False


def kill(party: str, part: Part) -> Blow:
    """Kill −9 of a party's process that stays, of the one it started for the job, or of both at once."""
    return Blow(lambda training: send(training.processes(party, part), signal.SIGKILL))


def hang(mend: signal.Signals) -> Blow:
    """All processes of the site stop; once a round is done without it, they go on or are killed."""
    def to_all(kind: signal.Signals) -> Strike:
        return lambda training: send(training.processes(VICTIM), kind)

    return Blow(to_all(signal.SIGSTOP), to_all(mend))


def kill_everything() -> Blow:
    """Kill −9 of the command, the server, all sites, at once."""
    return Blow(lambda training: send(training.processes(), signal.SIGKILL), by_hand=True)


def kill_command() -> Blow:
    """Kill −9 of the command alone: server and sites, whom it would have ended, run on."""
    return Blow(lambda training: training.command.kill(), by_hand=True)


def fill_disk() -> Blow:
    """The file system of the site's folder, a small one in memory, is filled up; once a round is done it is freed."""
    return Blow(lambda training: _fill(_filler(training)), lambda training: _filler(training).unlink(),
                around=_own_file_system)


def cut_site() -> Blow:
    """For a minute no packet of the site's connections, old or new, arrives anywhere."""
    return Blow(_cut_site, lasts_s=CUT_S, mend=_heal_site)


def cut_everybody() -> Blow:
    """For a minute no packet arrives anywhere: server, sites and administrator cannot reach each other."""
    return Blow(lambda training: _ip(training, "link", "set", "lo", "down"), lasts_s=CUT_S,
                mend=lambda training: _ip(training, "link", "set", "lo", "up"))


def slow() -> Blow:
    """The site's processes run for a tenth of the time, until the training ends."""
    return Blow(lambda training: threading.Thread(target=_slow_down, args=(training,), daemon=True).start())


def _filler(training: Training) -> Path:
    return training.run.site_folder(VICTIM) / "filler"


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):  # full
                while stream.write(bytes(size)) == size:
                    pass
    try:
        path.with_name("probe").write_bytes(b"1")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return
        raise
    raise RuntimeError(f"{path.parent}: was to be full, and is not")


@contextmanager
def _own_file_system(training: Training) -> Iterator[None]:
    folder = training.run.site_folder(VICTIM)
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "faults", str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)  # for whoever looks later
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()
    aside.rename(folder)


def _ip(training: Training, *words: str) -> None:
    """`ip` in the network namespace of the training."""
    if not training.isolated:
        raise RuntimeError("a network can be cut in a namespace of its own alone, which only root may make")
    subprocess.run(["nsenter", f"--net=/proc/{training.command.pid}/ns/net", "ip", *words], check=True)


_RULE: Final = "5"
_LOCAL: Final = "10"


def _cut_site(training: Training) -> None:
    """The kernel asks its routing rules for every packet; a rule a port drops those of the site's connections."""
    _ip(training, "rule", "add", "pref", _LOCAL, "lookup", "local")
    _ip(training, "rule", "del", "pref", "0")  # it came before all others
    until = time.monotonic() + CUT_S
    threading.Thread(target=_keep_cut, args=(training, until), daemon=True).start()


def _keep_cut(training: Training, until: float) -> None:
    """Also connections that the site opens meanwhile."""
    known: set[int] = set()
    while time.monotonic() < until:
        for port in _ports(training) - known:
            known.add(port)
            for side in ("sport", "dport"):
                _ip(training, "rule", "add", "pref", _RULE, "ipproto", "tcp", side, str(port), "blackhole")
        time.sleep(0.05)


def _ports(training: Training) -> set[int]:
    """The site's own ends of its connections to other parties."""
    output = subprocess.run(["nsenter", f"--net=/proc/{training.command.pid}/ns/net", "ss", "-Htnp"], check=True,
                            capture_output=True, text=True).stdout
    own = {f"pid={process.pid}," for process in training.processes(VICTIM)}
    lines = [line.split() for line in output.splitlines() if any(pid in line for pid in own)]
    return {int(words[3].rpartition(":")[2]) for words in lines}


def _heal_site(training: Training) -> None:
    time.sleep(0.5)  # the last look for new connections
    show = subprocess.run(["nsenter", f"--net=/proc/{training.command.pid}/ns/net", "ip", "rule", "show", "pref",
                           _RULE], check=True, capture_output=True, text=True).stdout
    for _ in show.splitlines():
        _ip(training, "rule", "del", "pref", _RULE)


def _slow_down(training: Training) -> None:
    while training.command.poll() is None:
        found, until = training.processes(VICTIM), time.monotonic() + 2
        while time.monotonic() < until:
            for kind, seconds in zip((signal.SIGSTOP, signal.SIGCONT), _SLOW, strict=True):
                send(found, kind)
                time.sleep(seconds)


def blows() -> dict[str, Blow]:
    """Every fault by its name."""
    parts: tuple[tuple[str, Part], ...] = (("parent", "parent"), ("job process", "job"), ("both", "both"))
    return {**{f"site's {name} killed": kill(VICTIM, part) for name, part in parts},
            **{f"server's {name} killed": kill(SERVER, part) for name, part in parts},
            "site hangs, goes on later": hang(signal.SIGCONT), "site hangs, is killed later": hang(signal.SIGKILL),
            "site's disk full": fill_disk(), "site cut off for a minute": cut_site(),
            "network down for a minute": cut_everybody(), "site ten times slower": slow(),
            "everything killed": kill_everything(), "command killed": kill_command()}
