"""`fedsynth audit --real DIR --holdout DIR --synthetic DIR`: any generator's images, without a federation."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from jobs.output import Advance, Talk
from jobs.pairs import pair_pictures
from jobs.provenance import command_line
from privacy_eval.errors import InputError
from privacy_eval.folder.audit import FolderAudit, audit_folders
from privacy_eval.folder.groups import Folders, Groups, group_digest, read_groups
from privacy_eval.folder.images import FolderImages
from privacy_eval.report import Sections, audit_report, render_html
from privacy_eval.verdict.policy import AuditPolicy

_READING: Final = 6
"""Groups read at most, and the search for copies."""
_ATTACKING: Final = 7
"""Stages that the audit tells of."""
_PACKAGES: Final = ("fedsynth", "numpy", "scipy", "scikit-learn", "scikit-image", "nibabel")


@dataclass(frozen=True)
class FolderAuditRequest:
    """What `fedsynth audit` was asked about folders.

    Attributes:
        folders: the images.
        output: where the two reports go.
        seed: of every draw; drawn, and recorded, if None.
        minimum_subjects: fewest members and holdout patients to audit.
        release_number: which release of these members is audited, counted from 1.
        releases: how many are planned; all of them together keep the policy's alpha.
        tolerance_auc: the highest upper bound of an AUC that passes.
    """

    folders: Folders
    output: Path
    seed: int | None = None
    minimum_subjects: int = 20
    release_number: int = 1
    releases: int = 1
    tolerance_auc: float = AuditPolicy.tolerance_auc


def audit_images(asked: FolderAuditRequest, talk: Talk) -> dict[str, Any]:
    """Audit the folders and write report.html and report.json.

    Raises:
        InputError: on unusable folders or too few patients, or if the reports cannot be written.
    """
    policy = AuditPolicy(recipients="images", releases=asked.releases, tolerance_auc=asked.tolerance_auc)
    _check_output(asked.output)
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    rng = np.random.default_rng(seed)
    with talk.stage("Reading the images") as advance:
        groups = read_groups(asked.folders, rng, _counted(advance, _READING))
    _say_groups(groups, talk)
    with talk.stage("Attacking the synthetic images") as advance:
        audit = audit_folders(groups, policy, rng, minimum_subjects=asked.minimum_subjects,
                              audit_number=asked.release_number, progress=_counted(advance, _ATTACKING))
    with talk.stage("Writing the report"):
        data = report_data(audit, groups, seed)
        page = render_html(data, Sections(
            title="Privacy audit of a folder of synthetic images", pairs=pair_pictures(groups, audit.inside),
            provenance={name: str(value) for name, value in data["provenance"].items()}))
        written = _write(asked.output, {"report.html": page, "report.json": _as_json(data)})
    for reason in data["reasons"]:
        talk.say(reason)
    return {"verdict": data["verdict"], "report": str(written["report.html"]), "json": str(written["report.json"]),
            "seed": seed}


def report_data(audit: FolderAudit, groups: Groups, seed: int) -> dict[str, Any]:
    """The report as plain JSON: the audit's, with images named in place of rows, methods and provenance."""
    data = audit_report(audit.result, "internal", warnings=groups.warnings, inside=audit.inside)
    data["inside"] = _named(data["inside"], groups)
    data["methods"] = [*_methods(groups), *data["methods"]]
    data["provenance"] = {
        **{word: _provenance(group) for word, group in _present(groups).items()},
        "seed": seed, "command": command_line(), "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }
    return data


def _named(inside: dict[str, Any], groups: Groups) -> dict[str, Any]:
    """Images by their files' names, for whoever holds the folders."""
    names = {"members": groups.members.names, "holdout": groups.holdout.names}

    def named(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**pair, "real": names[pair["group"]][pair["real"]],
                 "synthetic": groups.synthetic.names[pair["synthetic"]]} for pair in pairs]

    return {**inside, "pairs": named(inside["pairs"]), "to_review": named(inside["to_review"]),
            "replicas": {space: [groups.members.names[row] for row in rows]
                         for space, rows in inside["replicas"].items()}}


def _methods(groups: Groups) -> list[str]:
    """How the folders became an audit."""
    several = any(len(group) > group.images.n_patients for group in (groups.members, groups.holdout))
    unseen = groups.unseen.images.n_patients
    aside = (f"A random fifth of the holdout patients ({unseen}) was set aside for the negative control and scored in "
             "no test." if groups.set_aside else f"The negative control was made of {unseen} further patients.")
    public = ("No public reference was given: spaces were fitted on the synthetic images, and T2, T9 and T3 for an "
              "attacker with images alone were not run." if groups.reference is None else
              f"{len(groups.reference)} public images served as reference.")
    return [f"Plain folders were audited, one stratum: {len(groups.members)} images of members, {len(groups.holdout)} "
            f"of holdout patients and {len(groups.synthetic)} synthetic ones on a grid of "
            f"{' × '.join(str(length) for length in groups.members.images.images.shape[2:])} with "
            f"{groups.members.images.images.shape[1]} sequence(s) or colour(s). "
            f"{'Several images of a patient give one score.' if several else 'Every image is a patient of its own.'} "
            f"{aside} {public} That members and holdout were split at random before training is the user's word; V0 "
            "can only contradict it."]


def _present(groups: Groups) -> dict[str, FolderImages]:
    found = {"members": groups.members, "holdout": groups.holdout, "unseen": groups.unseen,
             "synthetic": groups.synthetic}
    return found if groups.reference is None else {**found, "reference": groups.reference}


def _provenance(group: FolderImages) -> str:
    return (f"{group.folder.resolve()}: {len(group)} images of {group.images.n_patients} patients, SHA-256 of their "
            f"values {group_digest(group)}")


def _say_groups(groups: Groups, talk: Talk) -> None:
    for word, group in _present(groups).items():
        talk.say(f"{word}: {len(group)} images of {group.images.n_patients} patients")
    for warning in groups.warnings:
        talk.say(f"warning: {warning}")


def _counted(advance: Advance, stages: int) -> Callable[[str], None]:
    """A progress callback that counts the stages it is told of; the last is never shown as done."""
    done = iter(range(stages))
    return lambda stage: advance(next(done, stages - 1) / stages, stage)


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the reports, name another with --output")


def _as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _write(output: Path, contents: dict[str, str]) -> dict[str, Path]:
    """All files or none: every one is written under another name before the first takes its place."""
    paths = {name: output / name for name in contents}
    partial = {name: output / f".{name}.partial" for name in contents}
    try:
        output.mkdir(parents=True, exist_ok=True)
        try:
            for name, text in contents.items():
                partial[name].write_text(text, encoding="utf-8")
            for name in contents:
                partial[name].replace(paths[name])
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); expected a folder with room, name another "
                         "with --output") from None
    return paths
