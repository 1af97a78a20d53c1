"""A site's cohort: every case prepared once and kept in the site's state, split into members, holdout and test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from fl_components.cohort.case import Case
from fl_components.cohort.findings import CaseFindings, examine
from fl_components.cohort.labelling import Labels
from fl_components.cohort.layout import find_cases, read_scan
from fl_components.cohort.prepare import PREPARATION_VERSION, make_subject
from fl_components.cohort.split import PARTS, Part, Split, check_split, read_split, settle_split
from fl_components.cohort.subject import Subject
from fl_components.site import DataSettings, Site
from fl_components.study import Grid, Study
from fl_components.toml_model import Settings
from privacy_eval.errors import InputError

OnDone = Callable[[int, int], None]
"""Told after each case how many are done, and of how many."""


@dataclass(frozen=True)
class Cohort:
    """Prepared subjects of one site, as paths to what `Subject.load` reads, by part of the split.

    `scans`: every person's scans by name, sorted; a person who is not in it has one scan, named as the person is.
    """

    site: str
    folder: Path
    split: Split
    scans: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, site: Site, study: Study) -> Cohort:
        """The cohort as `prepare_cohort` left it, nothing prepared now; for training and audit.

        Raises:
            InputError: if it was not prepared, or files, grid, labelling or split changed since; or if sequences are
                missing or tumours only guessed, so that the site gives anatomies only.
        """
        cases = site_cases(site)
        lacking = [case for case in cases if case.missing]
        if lacking:
            raise InputError(f"site '{site.name}': {len(lacking)} of {len(cases)} scans lack a sequence (such as "
                             f"{lacking[0].missing[0]} of {lacking[0].name}), so the site gives anatomies only; "
                             "take it out of [sites] in study.toml, or these scans out of data.root")
        labels = Labels(site.data.labelling, site.data.tumours)
        guessed = [case for case in cases if not labels.is_masked(case)]
        if guessed:
            raise InputError(f"site '{site.name}': {len(guessed)} of {len(cases)} scans have no tumour mask (such as "
                             f"{guessed[0].name}; data.tumours = 'unmasked' in site.toml), and a guessed tumour is not "
                             "good enough to train on, so the site gives anatomies only; take it out of [sites] in "
                             "study.toml, or bring masks")
        return cls.load_anatomies(site, study)

    @classmethod
    def load_anatomies(cls, site: Site, study: Study) -> Cohort:
        """The cohort as `prepare_cohort` left it, sequences missing or not (errors otherwise as `load`)."""
        cases = site_cases(site)
        path = split_path(site)
        split = check_split(read_split(path), path, people(cases), study.cohort)
        folder = subjects_folder(site)
        for case in cases:
            if cached_findings(folder, case, site.data, study.grid) is None:
                raise InputError(f"{folder / case.name}.npz: missing, or made from other files, for another grid or "
                                 "labelled otherwise than now; prepare the cohort again ('fedsynth cohort check')")
        return cls(site.name, folder, split, people(cases))

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
        """The prepared files of one part, one a person: the first of several scans.

        Who is audited is the person, and a person counts once.

        Raises:
            InputError: if nobody is in it.
        """
        names = getattr(self.split, part)
        if not names:
            sizes = ", ".join(f"{len(getattr(self.split, other))} {other}" for other in PARTS)
            raise InputError(f"site '{self.site}': no subject in the split's part '{part}' ({sizes}); "
                             "the site needs more subjects for this step")
        return [self.folder / f"{self.scans.get(name, (name,))[0]}.npz" for name in names]

    def subjects(self, part: Part) -> Iterator[Subject]:
        """The subjects of one part, read one after the other (errors as `paths` and `Subject.load`)."""
        return map(Subject.load, self.paths(part))

    def anatomies(self) -> Iterator[Subject]:
        """Every scan of everybody, read one after the other: the site's variety of brains, which never leaves it."""
        for name in sorted(self.split.subjects):
            for scan in self.scans.get(name, (name,)):
                yield Subject.load(self.folder / f"{scan}.npz")


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
    cases = site_cases(site)
    scans = people(cases)
    path = split_path(site)
    if path.exists():
        check_split(read_split(path), path, scans, study.cohort)
    work = partial(prepare_subject, folder=subjects_folder(site), data=site.data, grid=study.grid)
    for done, _ in enumerate((executor.map if executor else map)(work, cases), 1):
        if on_done:
            on_done(done, len(cases))
    split = settle_split(path, scans, study.cohort, site.data.split_seed)
    return Cohort(site.name, subjects_folder(site), split, scans)


def site_cases(site: Site) -> list[Case]:
    """The site's cases as its settings say they lie (InputError for the first problem)."""
    return find_cases(site.data.root, site.data.layout, site.data.tumours)


def people(cases: Sequence[Case]) -> dict[str, tuple[str, ...]]:
    """Names of the scans of each person."""
    found: dict[str, tuple[str, ...]] = {}
    for case in sorted(cases, key=lambda case: case.name):
        found[case.person] = (*found.get(case.person, ()), case.name)
    return found


def prepare_subject(case: Case, folder: Path, data: DataSettings, grid: Grid) -> CaseFindings:
    """Write `<folder>/<case>.npz` and, beside it, the findings and the key of what it was made from; or find them.

    Raises:
        InputError: as `read_scan` and `make_subject`.
    """
    findings = cached_findings(folder, case, data, grid)
    if findings is not None:
        return findings
    sidecar = _sidecar(folder, case)
    sidecar.unlink(missing_ok=True)
    scan = read_scan(case, data.dialect)
    subject, placed = make_subject(case, scan, grid, Labels(data.labelling, data.tumours))
    findings = examine(case, scan, placed, subject, grid.spacing_mm)
    subject.save(folder)
    partial_file = folder / f".{case.name}.json.partial"
    partial_file.write_text(_Prepared(key=_key(case, data, grid), findings=findings).model_dump_json(), "utf-8")
    partial_file.replace(sidecar)
    return findings


def cached_findings(folder: Path, case: Case, data: DataSettings, grid: Grid) -> CaseFindings | None:
    """What was found when the case was prepared; None if it was not, or not so."""
    if not (folder / f"{case.name}.npz").exists():
        return None
    try:
        prepared = _Prepared.model_validate_json(_sidecar(folder, case).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return prepared.findings if prepared.key == _key(case, data, grid) else None


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


def _key(case: Case, data: DataSettings, grid: Grid) -> str:
    stats = [(path.name, path.stat()) for path in case.files]
    made_from = {
        "files": [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats],
        "dialect": data.dialect,
        "labels": Labels(data.labelling, data.tumours).identity(case, grid.spacing_mm),
        "grid": grid.model_dump(mode="json"),
        "version": PREPARATION_VERSION,
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
