"""`fedsynth budget show`: what each site's patients have spent, by job and round."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fl_components.guard.ledger import Ledger
from fl_components.guard.privacy_account import RESERVED, Spending
from fl_components.site import Site
from fl_components.training.private.plan import NO_GUARANTEE
from jobs.output import Talk
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError

_WIDTH: Final = 120


def show_budget(path: Path, talk: Talk, site: str | None = None) -> dict[str, Any]:
    """Print each site's account, or give it back where JSON is wanted.

    Args:
        path: a run folder, or one site's site.toml.
        talk: whether JSON is wanted.
        site: one site of the run folder alone.

    Raises:
        InputError: if there is no such run or site, or a ledger is broken: what was spent is not known then.
    """
    accounts = {one.name: account_data(one) for one in _sites(path, site)}
    if talk.as_json:
        return {"sites": accounts}
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    for name, account in accounts.items():
        if account["rows"]:
            console.print(_table(name, account))
        console.print(f"{name}: {_sentence(account)}", markup=False, soft_wrap=True)
    return {}


def account_data(site: Site) -> dict[str, Any]:
    """One site's account: what was reserved when and for what, what left of it, and what is left to spend.

    Raises:
        InputError: if its ledger is broken.
    """
    ledger, policy = Ledger(site.ledger), site.policy
    if problem := ledger.verify():
        raise InputError(f"{problem}: what was spent cannot be known")
    entries = ledger.entries()
    spending = Spending.of(entries)
    known = not spending.unaccounted
    return {"delta": policy.delta, "epsilon_allowed": policy.epsilon, "unaccounted": spending.unaccounted,
            "epsilon": spending.epsilon(policy.delta) if known else None,
            "epsilon_replacing": spending.replacing(policy.delta) if known else None,
            "rows": _rows(entries, policy.delta)}


def _rows(entries: Sequence[Mapping[str, Any]], delta: float) -> list[dict[str, Any]]:
    left = {entry["reserved"]: entry for entry in entries if entry.get("reserved") is not None}
    rows = []
    for number, entry in enumerate(entries, start=1):
        head = {name: entry.get(name) for name in ("time", "study", "job", "task", "round")}
        if entry["decision"] == RESERVED:
            sent = left.get(entry["sequence"])
            rows.append({**head, "event": entry["event"], "epsilon_after": entry["epsilon_spent"],
                         "left": sent is not None, "nvflare_job": sent["job"] if sent else None})
        elif entry["decision"] == "sent" and "epsilon" in entry:
            after = Spending.of(entries[:number])
            rows.append({**head, "event": {"mechanism": "pure", "epsilon": entry["epsilon"]},
                         "epsilon_after": None if after.unaccounted else after.epsilon(delta),
                         "left": True, "nvflare_job": entry["job"]})
    return rows


def _sites(path: Path, site: str | None) -> list[Site]:
    if path.is_file():
        return [Site.from_file(path)]
    run = RunFolder(path)
    study = run.study()
    if site is not None and site not in study.sites:
        raise InputError(f"--site {site}: not a site of the study; it names {', '.join(study.sites)}")
    return [one for one in run.local_sites(study) if site in (None, one.name)]


def _table(name: str, account: Mapping[str, Any]) -> Table:
    table = Table(title=f"Privacy budget of {name}")
    for column in ("time", "study", "job", "task", "round", "event", "ε after", "left"):
        table.add_column(column, justify="right" if column in ("round", "ε after") else "left")
    for row in account["rows"]:
        event = row["event"]
        told = (f"ε = {event['epsilon']:g}" if event["mechanism"] == "pure" else
                f"{event['steps']} sums, noise {event['noise']:.3g}, rate {event['rate']:g}")
        after = "" if row["epsilon_after"] is None else f"{row['epsilon_after']:.3g}"
        table.add_row(str(row["time"]), str(row["study"])[:8], str(row["nvflare_job"] or row["job"])[:8], row["task"],
                      str(row["round"] + 1), told, after, "yes" if row["left"] else "nothing left, spent")
    return table


def _sentence(account: Mapping[str, Any]) -> str:
    if account["unaccounted"]:
        return f"{NO_GUARANTEE[:12]}: {account['unaccounted']} answers about these patients left without an ε."
    allowed = account["epsilon_allowed"]
    cap = f"the site allows {allowed:g}" if allowed is not None else "the site allows no study that claims an ε"
    return (f"spent ε = {account['epsilon']:.3g} at δ = {account['delta']:g} (one patient added or removed), "
            f"{account['epsilon_replacing']:.3g} for replacing a patient; {cap}.")
