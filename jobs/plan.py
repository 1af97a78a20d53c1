"""`fedsynth audit plan`: before anything is trained, what an audit of these numbers of patients could show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fl_components.cohort.cohort import split_path
from fl_components.cohort.split import make_split, read_split
from fl_components.guard.secure_sum import LEAST_SITES
from fl_components.site import EgressPolicy
from fl_components.study import AuditSettings, CohortSettings, Study
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError
from privacy_eval.verdict.clean import PlannedSite
from privacy_eval.verdict.plan import Plan, plan
from privacy_eval.verdict.policy import BLIND_MINIMUM, AuditPolicy
from privacy_eval.verdict.prospects import ASSUMED_CORRELATION, ENLARGEMENTS, WANTED_PASS, Prospect

_WIDTH: Final = 120
"""Columns where there is no terminal to ask."""


@dataclass(frozen=True)
class Numbers:
    """What `fedsynth audit plan` was asked: a run folder, or numbers a site.

    Attributes:
        run: a run folder whose cohorts are prepared.
        study: a study.toml for the policy and the shares of the split; defaults if None.
        sites: all patients of each site, such as "175,125"; the split's shares divide them.
        members, holdout: or both parts of each site, such as "70,50".
        minimum_count: suppression limit of every site. If None its own, or the default, but none where there are
            sites enough to sum their counts (`fl_components.guard.secure_sum`).
    """

    run: Path | None = None
    study: Path | None = None
    sites: str | None = None
    members: str | None = None
    holdout: str | None = None
    minimum_count: int | None = None


def plan_audit(numbers: Numbers, talk: Talk) -> dict[str, Any]:
    """Plan the audit; tables and sentences go to stdout, or all figures come back where JSON is wanted.

    Raises:
        InputError: if the numbers are missing, contradict each other, or let no site take part.
    """
    study = _study(numbers)
    sites = planned_sites(numbers, study)
    if numbers.minimum_count is None and len(sites) >= LEAST_SITES:
        sites = [replace(site, minimum_count=1) for site in sites]
    if study and study.audit.epsilon is not None:
        talk.say(f"This study claims an ε of {study.audit.epsilon:g} for its audit: statistics leave with noise. "
                 "What follows is planned without it, and too hopeful (docs/what-the-audit-can-tell.md has a table).")
    with talk.stage("Simulating audits of a release that leaks nothing"):
        found = plan(sites, study.audit.policy if study else AuditPolicy())
    if talk.as_json:
        return as_data(found)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(_table(found))
    for sentence in sentences(found):
        console.print(sentence, markup=False)
    return {}


def as_data(found: Plan) -> dict[str, Any]:
    """The plan as JSON's types."""
    return {
        "sites": {site.name: {**asdict(site), "takes_part": site.takes_part} for site in found.sites},
        "policy": asdict(found.policy), "level": found.level, "first_step": found.first_step,
        "tests": [_prospect_data(one, found) for one in found.prospects],
        "unanswerable": [{"measures": [one.id for one in row.measures], "holdout": row.holdout, "needed": row.needed}
                         for row in found.unanswerable],
        "control_power": found.control_power, "void_by_chance": found.void, "obstacles": list(found.obstacles),
        "clean_release": {**asdict(found.clean), "assumed_correlation": ASSUMED_CORRELATION},
        "enlargement": found.enlargement, "needed": _needed(found, found.enlargement),
    }


def sentences(found: Plan) -> list[str]:
    """The plan in plain words."""
    measures = sum(len(one.measures) for one in found.prospects)
    clean, void = found.clean, found.void
    said = [f"{measures} measures decide, at level {found.level:.3g} together and {found.first_step:.2g} at Holm's "
            f"first step; an upper bound holds with a confidence of {1 - found.level:.4g}."]
    if found.obstacles:
        said += ["These numbers cannot end in NO LEAK FOUND, whatever the release:",
                 *(f"  - {sentence}" for sentence in found.obstacles)]
    else:
        said.append(
            f"A release that leaks nothing is found NO LEAK with a probability of {clean.correlated:.2f} if any two "
            f"measures are correlated by {ASSUMED_CORRELATION} (an assumption), {clean.independent:.2f} if by nothing, "
            f"and of {clean.at_least:.2f} to {clean.at_most:.2f} whatever their dependence.")
    said.append(
        f"Chance alone voids the audit of an honest split with a probability of at most {void['blind_baseline']:.2g} "
        f"(V0), {void['negative_control']:.2g} (negative control) and {void['positive_control']:.2g} (positive).")
    said += [f"{' and '.join(one.id for one in row.measures)}: not answerable, {row.holdout} holdout patients would be "
             f"judged (half of all) and {row.needed} are needed." for row in found.unanswerable]
    said += [f"{one.name}: even a clean release does not pass in the middle case." for one in found.prospects
             if not one.can_pass]
    said.append(f"A leak as large as a tolerance passes that measure in about {found.level:.2g} of audits or fewer; "
                "where the power to call it LEAK is low, it mostly ends INCONCLUSIVE.")
    said.append(_enlargement_sentence(found))
    return said


def _enlargement_sentence(found: Plan) -> str:
    wanted = f"For a clean release to be found NO LEAK with a probability of {WANTED_PASS:.2f}"
    if found.enlargement is None:
        return f"{wanted}, not even {ENLARGEMENTS[-1]:.0f} times as many patients suffice: look at the tolerances."
    sites = ", ".join(f"{name} {n['members']}+{n['holdout']}"
                      for name, n in _needed(found, found.enlargement).items())
    absent = ", ".join(site.name for site in found.sites if not site.takes_part)
    besides = f" Besides, {absent} must reach {BLIND_MINIMUM}+{BLIND_MINIMUM} or stay out." if absent else ""
    return f"{wanted} it takes {found.enlargement:.2f} times these patients (members + holdout): {sites}.{besides}"


def _table(found: Plan) -> Table:
    present = [site for site in found.sites if site.takes_part]
    table = Table(title=f"What the audit of {len(present)} of {len(found.sites)} sites could show, before it is run")
    table.add_column("test", no_wrap=True)
    for name in ("variants", "members + holdout", "tolerance", "clean bound", "clean passes", "all variants",
                 "power at tolerance", "detect- able", "needed a site"):
        table.add_column(name, justify="right")
    for one in found.prospects:
        table.add_row(one.name, str(len(one.measures)), f"{one.members}+{one.holdout}", _figure(one.tolerance),
                      _figure(one.clean_bound, 3), f"{one.clean_pass:.2f}", f"{one.clean_pass_all:.2f}",
                      _figure(one.power), _figure(one.minimum_detectable, 3), _patients(one, present))
    return table


def _figure(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _patients(one: Prospect, present: Sequence[PlannedSite]) -> str:
    """Members + holdout a site, on average over the sites that take part, that pass all variants with 80 %."""
    if one.tolerance is None:
        return "–"
    if one.enlargement is None:
        return f"> {ENLARGEMENTS[-1]:.0f} times"
    sites = [site.enlarged(one.enlargement) for site in present]
    least = "≤ " if one.enlargement == ENLARGEMENTS[0] else ""
    members, holdout = (sum(part) / len(sites) for part in ([s.members for s in sites], [s.holdout for s in sites]))
    return f"{least}{members:.0f}+{holdout:.0f}"


def _prospect_data(one: Prospect, found: Plan) -> dict[str, Any]:
    own = {field.name: getattr(one, field.name) for field in fields(one) if field.name != "measures"}
    return {"test": one.name, "measures": [measure.id for measure in one.measures], **own, "can_pass": one.can_pass,
            "needed": _needed(found, one.enlargement)}


def _needed(found: Plan, factor: float | None) -> dict[str, dict[str, int]]:
    """Members and holdout of each site that takes part, enlarged; none if no factor suffices."""
    if factor is None:
        return {}
    return {site.name: {"members": site.enlarged(factor).members, "holdout": site.enlarged(factor).holdout}
            for site in found.sites if site.takes_part}


def _study(numbers: Numbers) -> Study | None:
    given = [name for name in ("sites", "members", "holdout", "study") if getattr(numbers, name) is not None]
    if numbers.run:
        if given:
            raise InputError(f"audit plan: found {numbers.run} and --{given[0]}; expected a run folder or numbers")
        return RunFolder(numbers.run).study()
    return Study.from_file(numbers.study) if numbers.study else None


def planned_sites(numbers: Numbers, study: Study | None) -> list[PlannedSite]:
    """Members and holdout patients of each site, from prepared cohorts or from numbers.

    Raises:
        InputError: if the numbers are missing or contradict each other.
    """
    if numbers.run and study:
        return _sites_of_run(RunFolder(numbers.run), study, numbers.minimum_count)
    return _sites_of_numbers(numbers, study)


def _sites_of_run(run: RunFolder, study: Study, minimum_count: int | None) -> list[PlannedSite]:
    """The splits that the prepared cohorts have."""
    found = []
    for site in run.sites(study):
        split = read_split(split_path(site))
        found.append(PlannedSite(
            site.name, len(split.members), len(split.holdout), minimum_count or site.policy.minimum_count,
            max(site.policy.minimum_subjects, study.audit.minimum_subjects)))
    return found


def _sites_of_numbers(numbers: Numbers, study: Study | None) -> list[PlannedSite]:
    """Sites of so many patients, named as in the study where it has as many."""
    shares, audit = (study.cohort, study.audit) if study else (CohortSettings(), AuditSettings())
    parts = _parts(numbers, shares)
    names = list(study.sites) if study else []
    if len(names) != len(parts):
        names = [f"site {k + 1}" for k in range(len(parts))]
    limit = numbers.minimum_count or EgressPolicy().minimum_count
    least = max(EgressPolicy().minimum_subjects, audit.minimum_subjects)
    return [PlannedSite(name, *part, limit, least) for name, part in zip(names, parts, strict=True)]


def _parts(numbers: Numbers, shares: CohortSettings) -> list[tuple[int, int]]:
    """Members and holdout of each site."""
    if numbers.sites is not None:
        if numbers.members is not None or numbers.holdout is not None:
            raise InputError("audit plan: found --sites and --members or --holdout; expected --sites alone or the two")
        splits = [make_split(map(str, range(n)), shares, 0) for n in _whole_numbers("--sites", numbers.sites)]
        return [(len(split.members), len(split.holdout)) for split in splits]
    if numbers.members is None or numbers.holdout is None:
        raise InputError("audit plan: found no numbers; expected a run folder, --sites 175,125 or "
                         "--members 70,50 --holdout 70,50")
    members, holdout = (_whole_numbers("--members", numbers.members), _whole_numbers("--holdout", numbers.holdout))
    if len(members) != len(holdout):
        raise InputError(f"audit plan: found {len(members)} sites in --members and {len(holdout)} in --holdout; "
                         "expected as many")
    return list(zip(members, holdout, strict=True))


def _whole_numbers(option: str, text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    wrong = [word for word in words if not (word.isascii() and word.isdecimal() and 0 < int(word) <= 1_000_000)]
    if wrong:
        raise InputError(f"{option} {text}: found '{wrong[0]}'; expected whole numbers above 0, such as 175,125,95,80")
    return [int(word) for word in words]
