"""What the site's machine has: a private folder, disk, memory, threads, packages, a clock."""

from __future__ import annotations

import math
import os
import platform
import shutil
import stat
import tempfile
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from fl_components.doctor.finding import GIB, Finding, gib, judge
from fl_components.guard.ledger import Ledger
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError

SUBJECT_BYTES: Final = 9
"""A voxel of a prepared subject on disk: four sequences in float16, one label."""
LOADED_BYTES: Final = 17
"""A voxel of a subject in memory: four sequences in float32, one label."""
STEP_BYTES: Final = 250
"""A voxel and channel of the generator's finest level in one training step, measured on the presets, rounded up."""
RESERVE_DISK: Final = GIB
"""Checkpoints, logs, NVFlare's workspace, the audit's records."""
RESERVE_MEMORY: Final = GIB
"""NVFlare's two processes with torch loaded."""
CLOCK_TOLERANCE_S: Final = 5.0


def disk_needed(study: Study, cases: int) -> int:
    """Bytes a site's state may come to: prepared subjects, the release as it arrives and is unpacked, a reserve."""
    voxels = math.prod(study.grid.shape)
    return SUBJECT_BYTES * voxels * (cases + 2 * study.synthesis.volumes) + RESERVE_DISK


def memory_needed(study: Study, cases: int) -> int:
    """Bytes that training and audit may take at once: a step's activations, every case loaded, a reserve."""
    voxels = math.prod(study.grid.shape)
    step = STEP_BYTES * voxels * study.network.generator_channels[0] * study.training.batch_size
    return step + LOADED_BYTES * voxels * cases + RESERVE_MEMORY


def check_state(site: Site) -> Finding:
    """Whether the state folder can be written by this account, and not be read by every other; a simulated hospital's
    may be."""
    expected = "a folder this account can write and others cannot read"
    folder = _existing(site.state)
    if folder != site.state:
        return Finding("state", "fix", f"{site.state}: no such folder", expected, f"mkdir -p -m 700 {site.state}")
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"\0")
    except OSError as error:
        return Finding("state", "fix", f"{folder}: {error.strerror}", expected, "let the account that runs the site "
                       "write there")
    mode = stat.S_IMODE(folder.stat().st_mode)
    return judge("state", site.data.simulated or not mode & 0o007, f"{folder}, mode {mode:04o}", expected,
                 f"chmod 700 {folder}")


def check_disk(site: Site, study: Study | None, cases: int) -> Finding:
    """Free disk against what the study needs, by `disk_needed`."""
    free = shutil.disk_usage(_existing(site.state)).free
    if study is None:
        return _not_estimated("disk", f"{gib(free)} free")
    needed = disk_needed(study, cases)
    return judge("disk", free >= needed, f"{gib(free)} free at {site.state}",
                 f"{gib(needed)} or more (estimate for {cases} cases)", "free space, or move 'state' in site.toml")


def check_memory(study: Study | None, cases: int) -> Finding:
    """Memory against what the study needs, by `memory_needed`."""
    memory = psutil.virtual_memory()
    found = f"{gib(memory.total)}, of it {gib(memory.available)} available"
    if study is None:
        return _not_estimated("memory", found)
    needed = memory_needed(study, cases)
    return judge("memory", memory.available >= needed, found,
                 f"{gib(needed)} or more available (rough estimate for {cases} cases)",
                 "end what else runs, or take a larger machine", "fix" if memory.total < needed else "look")


def check_threads(site: Site) -> Finding:
    """The site's thread budget against the processor's threads that this account may use."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return judge("threads", site.compute.threads <= there, f"compute.threads = {site.compute.threads}",
                 f"at most the {there} there are", f"set compute.threads in site.toml to {there}")


def check_packages() -> list[Finding]:
    """Python and every package that fedsynth requires, against the installed versions."""
    try:
        package = metadata.metadata("fedsynth")
        requirements = [Requirement(line) for line in metadata.requires("fedsynth") or ()]
    except metadata.PackageNotFoundError:
        return [Finding("packages", "fix", "fedsynth is not installed", "installed with its requirements",
                        "install it into this Python: pip install")]
    version = platform.python_version()
    python = judge("Python", SpecifierSet(package["Requires-Python"] or "").contains(version, prereleases=True),
                   version, package["Requires-Python"] or "any", "make a new environment with such a Python")
    needed = [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [problem for one in needed if (problem := _wrong_version(one))]
    return [python, judge("packages", not wrong, "; ".join(wrong) or f"all {len(needed)} as required",
                          "the versions that fedsynth requires", "install again: pip install -r requirements.lock")]


def check_clock(site: Site, now: float | None = None) -> Finding:
    """This machine's clock against the state's file system and the ledger's last entry.

    A local disk takes its time from this very clock and cannot tell; neither can the server, which says its time only
    to who logs in.

    Args:
        site: whose state and ledger.
        now: seconds since 1970; the clock's if None.
    """
    now = time.time() if now is None else now
    expected = f"within {CLOCK_TOLERANCE_S:g} s of the state's file system, not before the ledger's last entry"
    advice = "let a time service set the clock ('timedatectl' says whether one does): certificates and ledger need it"
    written = _last_time(site)
    if written is not None and written > now + CLOCK_TOLERANCE_S:
        return Finding("clock", "fix", f"{written - now:.0f} s before the ledger's last entry", expected, advice)
    try:
        with tempfile.TemporaryFile(dir=site.state) as stream:
            stream.write(b"\0")
            stream.flush()
            apart = os.fstat(stream.fileno()).st_mtime - now
    except OSError as error:
        return Finding("clock", "look", f"the state cannot be written ({error.strerror})", expected, "mend the state")
    return judge("clock", abs(apart) <= CLOCK_TOLERANCE_S, f"{abs(apart):.1f} s from the file system", expected, advice)


def _last_time(site: Site) -> float | None:
    try:
        entries = Ledger(site.ledger).entries()
        return datetime.fromisoformat(entries[-1]["time"]).timestamp() if entries else None
    except (InputError, OSError, KeyError, ValueError):
        return None  # the ledger's own check says what is wrong with it


def _wrong_version(requirement: Requirement) -> str | None:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    right = requirement.specifier.contains(version, prereleases=True)
    return None if right else f"{requirement.name} {version}, required {requirement.specifier}"


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _not_estimated(check: str, found: str) -> Finding:
    return Finding(check, "look", found, "what the study needs, which cannot be estimated without it", "mend the study")
