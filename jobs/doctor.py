"""`fedsynth site doctor`: whether a site is ready to take part, and what to do where it is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_components.doctor.agreement import check_data, check_ledger, check_policy, read_study
from fl_components.doctor.authority import check_authority, check_same_policy
from fl_components.doctor.finding import Finding, Status, judge
from fl_components.doctor.kit import Kit, check_kit
from fl_components.doctor.machine import (
    check_clock,
    check_disk,
    check_memory,
    check_packages,
    check_state,
    check_threads,
)
from fl_components.doctor.reach import check_server, parse_address
from fl_components.site import Site
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

_WIDTH: Final = 160
"""Columns where there is no terminal to ask."""
_STYLES: Final[dict[Status, str]] = {"ok": "green", "look": "yellow", "fix": "bold red"}


@dataclass(frozen=True)
class Examination:
    """What the doctor was asked.

    Attributes:
        target: a run folder, or the site's `site.toml`.
        site: which site of the run folder.
        study_hash: the server's hash of the study, or its first digits, 12 at least; None: not compared.
        kit: the site's startup kit; None: neither kit nor server are looked at, unless the server is named.
        server: `HOST:PORT` to reach; None: what the kit says.
    """

    target: Path
    site: str | None = None
    study_hash: str | None = None
    kit: Path | None = None
    server: str | None = None


def examine(asked: Examination, talk: Talk) -> dict[str, Any]:
    """Look at everything and print a table on stdout, or give all findings back where JSON is wanted.

    Returns:
        `to_fix` and `to_look_at`: how many findings; for JSON also `site`, its file, and the `findings`.

    Raises:
        InputError: if there is no such site, its settings are invalid, or an option is.
    """
    site_file = _site_file(asked)
    site = Site.from_file(site_file)
    findings = look(asked, site, site_file)
    counts = {"to_fix": sum(one.status == "fix" for one in findings),
              "to_look_at": sum(one.status == "look" for one in findings)}
    if talk.as_json:
        return {"site": site.name, "site_file": str(site_file), **counts,
                "findings": [asdict(one) for one in findings]}
    Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False).print(_table(findings))
    return counts


def look(asked: Examination, site: Site, site_file: Path) -> list[Finding]:
    """All findings, in the order in which they are best mended (InputError if an option is invalid)."""
    _check_options(asked)
    about_study, study = read_study(site, asked.study_hash)
    data, cases = check_data(site, study)
    kit = Kit(asked.kit) if asked.kit else None
    findings = [data, *about_study, check_policy(site, site_file), check_same_policy(site),
                check_authority(site, site_file, kit), check_state(site), check_ledger(site),
                check_disk(site, study, len(cases)), check_memory(study, len(cases)), check_threads(site),
                *check_packages(), check_clock(site)]
    if kit is not None:
        findings += [*check_kit(kit, site.name), _check_lock_down(kit, site_file)]
    return findings + _reach(kit, asked.server)


def _check_lock_down(kit: Kit, site_file: Path) -> Finding:
    """Whether the kit's lock-down is the one that the site's settings ask for today."""
    from poc_workspace.lockdown import differing  # imports NVFlare: only where there is a kit

    check, expected = "lock-down's content", "what 'fedsynth site lock-down' would write from site.toml today"
    advice = f"run 'fedsynth site lock-down {site_file} --kit {kit.folder}', then start the site again"
    try:
        names = differing(kit.folder, site_file)
    except InputError as error:
        return Finding(check, "fix", str(error), expected, advice)
    return judge(check, not names, f"{', '.join(names)} in local/ differ" if names else "the same", expected, advice)


def _reach(kit: Kit | None, server: str | None) -> list[Finding]:
    identity = None
    if kit is not None:
        try:
            target, identity = kit.server()
        except InputError as error:
            if server is None:
                return [Finding("server", "fix", str(error), "a server to reach", "ask the lead for a new kit")]
        else:
            server = server or target
    return [] if server is None else check_server(server, kit, identity)


def _check_options(asked: Examination) -> None:
    if asked.server is not None:
        parse_address(asked.server)
    if asked.kit is not None and not (asked.kit / "startup").is_dir():
        raise InputError(f"--kit {asked.kit}: no folder 'startup' in it; name the startup kit that holds 'startup' and "
                         "'local'")
    if asked.study_hash is not None and not (12 <= len(asked.study_hash) <= 64 and _is_hex(asked.study_hash)):
        raise InputError(f"--study-hash {asked.study_hash}: expected the server's hash: 64 hexadecimal digits, or its "
                         "first 12 and more")


def _is_hex(text: str) -> bool:
    return set(text.lower()) <= set("0123456789abcdef")


def _site_file(asked: Examination) -> Path:
    if not asked.target.is_dir():
        if asked.site is not None:
            raise InputError(f"--site {asked.site}: goes with a run folder, found {asked.target}; leave it out")
        return asked.target
    if asked.site is None:
        raise InputError(f"{asked.target}: a run folder; name the site with --site, or give its site.toml")
    return RunFolder(asked.target).site_file(asked.site)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "check", "found", "expected", "what to do", show_lines=True)
    for one in findings:
        table.add_row(Text(one.status, _STYLES[one.status]),
                      *(Text(cell, overflow="fold") for cell in (one.check, one.found, one.expected, one.advice)))
    return table
