"""The membership battery on a private run beside one without privacy: attacks that see everything, and both audits.

The attacks are T4 on the generator and T1 on the release, as `benchmarks.membership` takes them: on every member and
holdout subject, without noise, which no audit of a private study may do; so only on simulated hospitals. A third row is
the generator that the private run began with: it never saw a member, and what it gets is chance.

The audits are what each run's own report says: the private one's with the noise that its share of ε asks for.

    python -m benchmarks.private_membership [PRIVATE_RUN] [--beside RUN]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.arguments import run_benchmark
from benchmarks.hospitals import all_simulated, load_hospitals
from benchmarks.membership import attack, t1_score, t4_score
from benchmarks.results import write_result
from fl_components.json_file import read_json
from fl_components.networks.build import build_generator
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.release import read_release
from fl_components.server.synthesize import public_subjects
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError
from privacy_eval.spaces.voxels import VoxelSpace

EMPIRICAL, PRIVATE, START = "empirical", "private", "before any patient"
_OF_A_TEST: Final = ("id", "found_in", "scale", "estimate", "low", "high", "decision")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=lambda text: RunFolder(Path(text)), default="runs/private-8",
                        help="a finished run of a private study")
    parser.add_argument("--beside", type=lambda text: RunFolder(Path(text)), default="runs/demo",
                        help="a finished run of the empirical mode")
    return run_benchmark(parser, measure)


def measure(arguments: argparse.Namespace) -> int:
    """Attack both, read both reports, write the result."""
    runs, talk = {EMPIRICAL: arguments.beside, PRIVATE: arguments.run}, Talk()
    refuse_others(runs)
    attacked = {name: attacked_run(run, talk) for name, run in runs.items()}
    study = runs[PRIVATE].study()
    attacked[START] = attacked_run(runs[PRIVATE], talk, weights_of(build_generator(study)))
    for name, rows in attacked.items():
        for test, row in rows.items():
            talk.say(f"{name:12s} {test} AUC {row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})")
    counts = {f"{who}, {name}": row["T4"][f"n_{who}"] for name, row in attacked.items() if name != START
              for who in ("members", "holdout")}
    write_result("private_membership", {"attacks": attacked, "audits": beside_one_another(
        {name: read_json(run.audit / "report.json") for name, run in runs.items()})},
        counts, study_hash=study.hash, simulated=True)
    return 0


def refuse_others(runs: Mapping[str, RunFolder]) -> None:
    """Refuse what cannot be compared.

    Raises:
        InputError: if a run holds patients, has no report, or is of the other mode.
    """
    for name, run in runs.items():
        if not all_simulated(run):
            raise InputError(f"{run.path}: holds patients, whom no attack may see outside an account; this benchmark "
                             "is for simulated hospitals")
        if run.study().privacy.private != (name == PRIVATE):
            raise InputError(f"{run.study_file}: expected a study of the {name} mode; give the private run first, the "
                             "other with --beside")
        if not (run.audit / "report.json").exists():
            raise InputError(f"{run.audit / 'report.json'}: not there; run 'fedsynth audit {run.path}' first")


def attacked_run(run: RunFolder, talk: Talk, weights: Weights | None = None) -> dict[str, dict[str, Any]]:
    """T4 on the run's generator, or on others' weights, and T1 on its release (on the run's own weights alone)."""
    study = run.study()
    members, holdout = load_hospitals(run, "members"), load_hospitals(run, "holdout")
    with talk.stage(f"Attacking {run.path.name}"):
        found = {"T4": attack(t4_score(study, run.server.load_generator() if weights is None else weights),
                              members, holdout)}
        if weights is None:
            space = VoxelSpace.fit(public_subjects(run.server, study, study.audit.calibration_subjects))
            found["T1"] = attack(t1_score(space, (volume.images for volume in read_release(run.release))),
                                 members, holdout)
    return found


def beside_one_another(reports: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each run and each test that its audit ran, the verdict in the run's first."""
    rows = []
    for name, report in reports.items():
        for place, test in enumerate(report["tests"]):
            told = {key: test[key] for key in _OF_A_TEST}
            figure = {key: told.pop(key) for key in ("estimate", "low", "high")}
            known = all(value is not None and np.isfinite(value) for value in figure.values())
            rows.append({"run": name, "verdict": report["verdict"] if place == 0 else "",
                         **told, "figure": figure if known else "–"})
    return rows


if __name__ == "__main__":
    sys.exit(main())
