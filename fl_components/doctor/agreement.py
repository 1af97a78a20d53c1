"""What the site brings and agreed to: its data, its study, its policy, its ledger."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path

from fl_components.cohort.case import Case
from fl_components.cohort.layout import scan_cases
from fl_components.doctor.finding import Finding, judge
from fl_components.guard.ledger import Ledger
from fl_components.site import EgressPolicy, Site
from fl_components.study import Study
from fl_components.toml_model import read_toml
from privacy_eval.errors import InputError


def check_data(site: Site, study: Study | None) -> tuple[Finding, list[Case]]:
    """Whether the data root can be read and holds enough complete cases; and those cases."""
    root = site.data.root
    least = study.audit.minimum_subjects if study else site.policy.minimum_subjects
    # Members and holdout must each reach the least; which share of the cases they are is the study's.
    share = min(study.cohort.holdout, 1 - study.cohort.holdout - study.cohort.test) if study else 1.0
    needed = math.ceil(least / share - 1e-9)
    expected = f"a folder that can be read, {needed} complete cases or more ({least} in the smaller part of the split)"
    try:
        cases, problems = scan_cases(root, site.data.layout, site.data.tumours)
    except OSError as error:
        return Finding("data", "fix", f"{root}: {error.strerror}", expected,
                       "let the account that runs the site read the folder"), []
    unreadable = [file for case in cases for file in case.files if not os.access(file, os.R_OK)]
    problems += [f"{file}: not readable by this account" for file in unreadable]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return Finding("data", "fix", f"{problems[0]}{more}", expected,
                       "mend it, then run 'fedsynth cohort check'"), cases
    return judge("data", len(cases) >= needed, f"{len(cases)} complete cases below {root}", expected,
                 "add cases, or the site abstains from the audit", otherwise="look"), cases


def read_study(site: Site, study_hash: str | None) -> tuple[list[Finding], Study | None]:
    """Whether the site's study is valid, names the site, and is the server's; None if it cannot be read.

    Args:
        site: whose study.
        study_hash: what the consortium's lead or the server says its hash is, or its first 12 digits and more.
    """
    try:
        study = Study.from_file(site.study)
    except InputError as error:
        return [Finding("study", "fix", str(error), "the consortium's study.toml",
                        "ask the consortium's lead for the file")], None
    named = judge("study", site.name in study.sites, f"{site.study} names {', '.join(study.sites)}",
                  f"it names this site, '{site.name}'", "mend 'name' in site.toml, or ask the lead to add the site")
    if study_hash is None:
        same = Finding("study hash", "look", study.hash, "the server's", "compare it with what the consortium's lead "
                       "has, or give that as --study-hash")
    else:
        same = judge("study hash", study.hash.startswith(study_hash.lower()), study.hash, study_hash.lower(),
                     "every party must hold the same study.toml: ask the lead for the file")
    return [named, same], study


def check_policy(site: Site, site_file: Path) -> Finding:
    """Whether the site states a policy of its own, and where that is laxer than the defaults."""
    expected = "a table [policy], nothing in it laxer than the defaults"
    if "policy" not in read_toml(site_file):
        return Finding("policy", "look", f"{site_file} has no table [policy]: the defaults apply", expected,
                       "state what may leave, even where it is the default: docs/own-data.md")
    laxer = laxer_values(site.policy)
    return judge("policy", not laxer, "; ".join(laxer) or f"tasks {', '.join(site.policy.tasks)}, nothing laxer",
                 expected, "make sure that each of these was meant, and by whom", otherwise="look")


def laxer_values(policy: EgressPolicy) -> list[str]:
    """What lets more leave than the default would, in words; a lower minimum and a higher anything else are laxer."""
    beyond = [task for task in policy.tasks if task not in EgressPolicy().tasks]
    found = [f"tasks {', '.join(beyond)} (not among the defaults)"] if beyond else []
    for name, default in EgressPolicy():
        value = getattr(policy, name)
        if not isinstance(default, int | float):
            continue
        if (value < default) if name.startswith("minimum_") else (value > default):
            found.append(f"{name} = {value:g} (default {default:g})")
    return found


def check_ledger(site: Site) -> Finding:
    """Whether the site's ledger is intact."""
    try:
        check = Ledger(site.ledger).check()
    except OSError as error:
        return Finding("ledger", "fix", f"{site.ledger}: {error.strerror}", "a ledger this account can read",
                       "let the account that runs the site read and write it")
    if check.problem is None and (loose := _writable_by_others(site)):
        return Finding("ledger", "fix", loose, "a ledger and an anchor that only this account can write",
                       "chmod go-w them, then 'fedsynth ledger verify' with a copy of the anchor: docs/ledger.md")
    found = check.problem or f"{check.entries} entries, intact" + "".join(f"; {note}" for note in check.notes)
    return judge("ledger", check.problem is None, found, "an intact ledger, or none yet",
                 "see docs/ledger.md, 'A broken ledger'")


def _writable_by_others(site: Site) -> str | None:
    for path in (site.ledger, Ledger(site.ledger).anchor):
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o022:
            return f"{path}, mode {mode:04o}"
    return None
