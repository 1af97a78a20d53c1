"""A site's cohort: every case prepared once and kept in the site's state, split into members, holdout and test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from fl_components.cohort.findings import CaseFindings, examine
from fl_components.cohort.layout import Case, find_cases, read_scan
from fl_components.cohort.prepare import PREPARATION_VERSION, make_subject
from fl_components.cohort.split import PARTS, Part, Split, check_split, read_split, settle_split
from fl_components.cohort.subject import Subject
from fl_components.site import Site
from fl_components.study import Grid, Study
from fl_components.toml_model import Settings
from privacy_eval.errors import InputError

OnDone = Callable[[int, int], None]
"""Told after each case how many are done, and of how many."""


@dataclass(frozen=True)
class Cohort:
    """Prepared subjects of one site, as paths to what `Subject.load` reads, by part of the split."""

    site: str
    folder: Path
    split: Split

    @classmethod
    def load(cls, site: Site, study: Study) -> Cohort:
        """The cohort as `prepare_cohort` left it, nothing prepared now.

        Raises:
            InputError: if it was not prepared, or files, grid or split changed since.
        """
        cases = find_cases(site.data.root)
        path = split_path(site)
        split = check_split(read_split(path), path, [case.name for case in cases], study.cohort)
        folder = subjects_folder(site)
        for case in cases:
            if cached_findings(folder, case, site.data.dialect, study.grid) is None:
                raise InputError(f"{folder / case.name}.npz: missing, or made from other files or for another grid "
                                 "than now; prepare the cohort again")
        return cls(site.name, folder, split)

    @property
    def members(self) -> list[Path]:
        """Subjects to train on (InputError if there is none)."""
        return self.paths("members")

    @property
    def holdout(self) -> list[Path]:
        """Subjects never trained on, the audit's non-members (InputError if there is none)."""
        return self.paths("holdout")

    @property
    def test(self) -> list[Path]:
        """Subjects for measuring usefulness (InputError if there is none)."""
        return self.paths("test")

    def paths(self, part: Part) -> list[Path]:
        """The prepared files of one part.

        Raises:
            InputError: if nobody is in it.
        """
        names = getattr(self.split, part)
        if not names:
            sizes = ", ".join(f"{len(getattr(self.split, other))} {other}" for other in PARTS)
            raise InputError(f"site '{self.site}': no subject in the split's part '{part}' ({sizes}); "
                             "the site needs more subjects for this step")
        return [self.folder / f"{name}.npz" for name in names]

    def subjects(self, part: Part) -> Iterator[Subject]:
        """The subjects of one part, read one after the other (errors as `paths` and `Subject.load`)."""
        return map(Subject.load, self.paths(part))


def prepare_cohort(
    site: Site, study: Study, on_done: OnDone | None = None, executor: Executor | None = None
) -> Cohort:
    """Prepare every case that is not yet prepared, and settle the split.

    Args:
        site: whose cases, and where its state lies.
        study: the grid and the shares of the split.
        on_done: called after each case.
        executor: prepares cases at the same time; here one after the other if None.

    Raises:
        InputError: for the first case that cannot be used, or if the site's subjects are not those of its split.
    """
    cases = find_cases(site.data.root)
    names = [case.name for case in cases]
    path = split_path(site)
    if path.exists():
        check_split(read_split(path), path, names, study.cohort)
    work = partial(prepare_subject, folder=subjects_folder(site), dialect=site.data.dialect, grid=study.grid)
    for done, _ in enumerate((executor.map if executor else map)(work, cases), 1):
        if on_done:
            on_done(done, len(cases))
    return Cohort(site.name, subjects_folder(site), settle_split(path, names, study.cohort, site.data.split_seed))


def prepare_subject(case: Case, folder: Path, dialect: str, grid: Grid) -> CaseFindings:
    """Write `<folder>/<case>.npz` and, beside it, the findings and the key of what it was made from; or find them.

    Raises:
        InputError: as `read_scan` and `make_subject`.
    """
    findings = cached_findings(folder, case, dialect, grid)
    if findings is not None:
        return findings
    sidecar = _sidecar(folder, case)
    sidecar.unlink(missing_ok=True)
    scan = read_scan(case, dialect)
    subject, placed = make_subject(case, scan, grid)
    findings = examine(case, scan, placed, subject)
    subject.save(folder)
    partial_file = folder / f".{case.name}.json.partial"
    partial_file.write_text(_Prepared(key=_key(case, dialect, grid), findings=findings).model_dump_json(), "utf-8")
    partial_file.replace(sidecar)
    return findings


def cached_findings(folder: Path, case: Case, dialect: str, grid: Grid) -> CaseFindings | None:
    """What was found when the case was prepared; None if it was not, or not from these files for this grid."""
    if not (folder / f"{case.name}.npz").exists():
        return None
    try:
        prepared = _Prepared.model_validate_json(_sidecar(folder, case).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return prepared.findings if prepared.key == _key(case, dialect, grid) else None


def split_path(site: Site) -> Path:
    """Where the site keeps its split."""
    return site.state / "cohort" / "split.json"


def subjects_folder(site: Site) -> Path:
    """Where the site keeps its prepared subjects."""
    return site.state / "cohort" / "subjects"


class _Prepared(Settings):
    key: str
    findings: CaseFindings


def _sidecar(folder: Path, case: Case) -> Path:
    return folder / f"{case.name}.json"


def _key(case: Case, dialect: str, grid: Grid) -> str:
    stats = [(path.name, path.stat()) for path in case.files]
    made_from = {
        "files": [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats],
        "dialect": dialect,
        "grid": grid.model_dump(mode="json"),
        "version": PREPARATION_VERSION,
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
