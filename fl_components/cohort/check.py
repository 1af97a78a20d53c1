"""The check of a site's cohort before any job: what was found against what is expected, file by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from fl_components.cohort.case import Case
from fl_components.cohort.cohort import OnDone, prepare_subject, subjects_folder
from fl_components.cohort.findings import CaseFindings
from fl_components.cohort.labelling import Labels
from fl_components.cohort.layout import scan_cases
from fl_components.cohort.split import PARTS, make_split
from fl_components.site import DataSettings, Site
from fl_components.study import Grid, Study
from fl_components.toml_model import Settings
from fl_components.vocabulary import DIALECTS, SEQUENCES
from privacy_eval.errors import InputError


class Row(Settings):
    """One line of the check: `ok` is whether what was found is what is expected."""

    what: str
    expected: str
    found: str
    ok: bool


class CohortCheck(Settings):
    """The result for one site; `model_dump(mode="json")` gives it as JSON, which stays at the site.

    `problems` stop the site: one line each, naming the file. `doubts` do not, but somebody should look.
    """

    site: str
    cases: tuple[CaseFindings, ...]
    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether every case can be used."""
        return not self.problems


class Plausible(NamedTuple):
    """A range outside of which a case is doubted; `scale` turns the value into the unit."""

    what: str
    unit: str
    low: float
    high: float
    value: Callable[[CaseFindings], float]
    scale: float = 1.0

    @property
    def expected(self) -> str:
        """The range in words."""
        return f"{self.low * self.scale:g} to {self.high * self.scale:g} {self.unit}"


RANGES: Final = (
    Plausible("brain volume", "ml", 700, 2100, lambda case: case.brain_ml),
    Plausible("negative intensities", "%", 0, 0.01, lambda case: case.negative_share, 100),
    Plausible("brain beyond the grid", "%", 0, 0.01, lambda case: case.share_outside, 100),
    Plausible("CSF of the brain", "%", 0.05, 0.40, lambda case: case.tissue_shares[0], 100),
    Plausible("grey matter of the brain", "%", 0.30, 0.65, lambda case: case.tissue_shares[1], 100),
    Plausible("white matter of the brain", "%", 0.20, 0.55, lambda case: case.tissue_shares[2], 100),
)
"""Wide enough for children's and atrophied brains; narrow enough for a wrong file, unit or scale to fall out."""
TUMOUR_RANGE: Final = Plausible("tumour volume", "ml", 0.1, 400, lambda case: case.tumour_ml)
"""Of everybody, unless the site says that nobody has a tumour."""


def check_site(
    site: Site, study: Study, on_done: OnDone | None = None, executor: Executor | None = None
) -> CohortCheck:
    """Read and prepare every case (kept for `prepare_cohort`), and hold the findings against what is expected.

    Nothing is raised for a bad case: it becomes a line of `problems`. No split is made.
    """
    cases, problems = scan_cases(site.data.root, site.data.layout, site.data.tumours)
    work = partial(_try_case, site=site, grid=study.grid)
    findings: list[CaseFindings] = []
    for done, result in enumerate((executor.map if executor else map)(work, cases), 1):
        if isinstance(result, str):
            problems.append(result)
        else:
            findings.append(result)
        if on_done:
            on_done(done, len(cases))
    labels = Labels(site.data.labelling, site.data.tumours)
    guessed = sum(not labels.is_masked(case) for case in cases)
    rows = [*_case_rows(findings, len(findings) + len(problems), site.data), *_part_rows(findings, study, guessed)]
    coarsest = 1.5 * study.grid.spacing_mm
    tumours = [] if site.data.tumours == "none" else [TUMOUR_RANGE]
    ranges = [*RANGES, *tumours, Plausible("voxel size", "mm", 0.3, coarsest, lambda case: max(case.spacing_mm))]
    if findings:
        rows += _layout_rows(findings, site.data.dialect) + [_range_row(findings, limits) for limits in ranges]
    doubts = [doubt for case in findings for doubt in _doubts(case, ranges)]
    return CohortCheck(site=site.name, cases=tuple(findings), rows=tuple(rows), problems=tuple(problems),
                       doubts=tuple(doubts))


def _try_case(case: Case, site: Site, grid: Grid) -> CaseFindings | str:
    try:
        return prepare_subject(case, subjects_folder(site), site.data, grid)
    except InputError as error:
        return str(error)


def _case_rows(findings: Sequence[CaseFindings], attempted: int, data: DataSettings) -> list[Row]:
    mask = " and the tumour mask" if data.tumours == "masked" else ""
    some = ", ".join(SEQUENCES) if data.layout == "brats" else "the sequences that it has"
    return [Row(what="usable cases", expected=f"every case has {some}{mask}, readable, on one grid",
                found=f"{len(findings)} of {attempted}", ok=0 < len(findings) == attempted)]


def _part_rows(findings: Sequence[CaseFindings], study: Study, guessed: int) -> list[Row]:
    """The sizes of the parts, or that there are none because the site gives anatomies only.

    `guessed` scans have a tumour that no mask shows.
    """
    names = {case.person for case in findings}
    lacking = [case for case in findings if len(case.sequences) < len(SEQUENCES)]
    missing = ", ".join(name for name in SEQUENCES if any(name not in case.sequences for case in lacking))
    reasons = [f"{missing} missing in {len(lacking)} of {len(findings)} scans"] if lacking else []
    reasons += [f"tumours guessed in {guessed} of {len(findings)} scans"] if guessed else []
    if reasons:
        return [Row(what="takes part with", expected="scans and anatomies, or anatomies only", ok=True,
                    found=f"anatomies only: {'; '.join(reasons)}"),
                Row(what="people", expected="any", found=f"{len(names)} with {len(findings)} scans", ok=True)]
    split = make_split(names, study.cohort, seed=0)
    least = {"members": study.audit.minimum_subjects, "holdout": study.audit.minimum_subjects, "test": 1}
    sizes = {part: len(getattr(split, part)) for part in PARTS}
    return [Row(what=f"subjects in {part}", expected=f"at least {least[part]}", found=str(size), ok=size >= least[part])
            for part, size in sizes.items()]


def _layout_rows(findings: Sequence[CaseFindings], dialect: str | None) -> list[Row]:
    present = sorted({value for case in findings for value in case.label_values})
    rows = [
        Row(what="shapes", expected="any", found=_tally("×".join(map(str, case.shape)) for case in findings), ok=True),
        Row(what="axes", expected="any, from the affine", found=_tally(case.axes for case in findings), ok=True),
    ]
    if dialect is None:
        found = ", ".join(map(str, present))
        return [*rows, Row(what="label values", expected="of the dseg.tsv", found=found, ok=True)]
    allowed = (0, *DIALECTS[dialect])
    return [*rows, Row(what="label values", expected=f"of {', '.join(map(str, allowed))} ({dialect})",
                       found=", ".join(map(str, present)), ok=set(present) <= set(allowed))]


def _tally(values: Iterable[str]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in Counter(values).most_common())


def _range_row(findings: Sequence[CaseFindings], limits: Plausible) -> Row:
    values = [limits.value(case) for case in findings]
    low, middle, high = np.quantile(values, (0, 0.5, 1)) * limits.scale
    return Row(what=limits.what, expected=limits.expected, found=f"{low:.4g} to {high:.4g}, median {middle:.4g}",
               ok=all(limits.low <= value <= limits.high for value in values))


def _doubts(case: CaseFindings, ranges: Iterable[Plausible]) -> list[str]:
    return [f"{case.name}: {limits.what} {limits.value(case) * limits.scale:.3g} {limits.unit}, "
            f"expected {limits.expected}; look at its files"
            for limits in ranges if not limits.low <= limits.value(case) <= limits.high]
