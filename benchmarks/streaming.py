"""Whether synthesis of many volumes keeps its memory and its pace.

    python -m benchmarks.streaming RUN [--counts 50 500]

`fedsynth synthesize -n` in a folder of its own, from the run's generator. Memory is the proportional set size of the
command and its workers, sampled once a second. The longest is also interrupted half-way and run again.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.arguments import at_least_one
from benchmarks.demo_cost import measure
from benchmarks.results import write_result
from fl_components.server.release_manifest import release_digest
from jobs.output import Talk
from jobs.run_folder import RunFolder


def copy_of(run: RunFolder, folder: Path) -> RunFolder:
    """What synthesis needs of a run: its study, and the server's folder."""
    shutil.copy(run.path / "study.toml", folder)
    shutil.copytree(run.server.folder, folder / "server")
    shutil.copy(run.training_file, folder)
    return RunFolder(folder)


def command(folder: Path, count: int) -> list[str]:
    """The command line."""
    return [str(Path(sys.executable).with_name("fedsynth")), "synthesize", str(folder), "--replace", "-n", str(count)]


def interrupted(folder: Path, count: int) -> float:
    """Stop the command as Ctrl-C does once half of the volumes are there; the share that was."""
    partial = folder / ".release.partial"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would hand down its deafness
    with subprocess.Popen(command(folder, count), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while len(list(partial.glob("sub-*"))) < count / 2:
            if process.poll() is not None:
                raise RuntimeError(f"synthesis ended by itself with {process.returncode}")
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    return len(list(partial.glob("sub-*"))) / count


def row(folder: Path, count: int) -> dict[str, Any]:
    """One length: pace, memory, bytes on disk."""
    total = measure(command(folder, count))[-1]
    size = sum(path.stat().st_size for path in (folder / "release").rglob("*") if path.is_file())
    return {"volumes": count, "seconds_volume": total["seconds"] / count, "peak_gib": total["peak_gib"],
            "mib_volume": size / count / 2**20}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--counts", type=at_least_one, nargs="+", default=[50, 500])
    arguments = parser.parse_args()
    run, talk = RunFolder(arguments.run), Talk()
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of(run, Path(scratch)).path
        rows = [row(folder, count) for count in arguments.counts]
        whole = release_digest(folder / "release")
        shutil.rmtree(folder / "release")
        with talk.stage("Interrupted, then run again"):
            share = interrupted(folder, arguments.counts[-1])
            again = measure(command(folder, arguments.counts[-1]))[-1]
        same = release_digest(folder / "release") == whole
    write_result("streaming", {
        "lengths": rows, "share_when_interrupted": share, "seconds_again": again["seconds"],
        "same_release": "yes" if same else "NO"}, len(rows), study_hash=run.study().hash, simulated=True)


if __name__ == "__main__":
    main()
