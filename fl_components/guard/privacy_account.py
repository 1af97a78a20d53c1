"""The site's account of what its patients have spent, in its own ledger: reserved before a patient is touched.

A reservation is the spending: it is on disk, chained and anchored, before the first noised step, and nothing takes it
back. A crash at any moment leaves at most something reserved that never left. What leaves must name a reservation that
nothing left for yet.

All studies and jobs whose answers are in the ledger count, for every patient at once: the patients are the same. What
left without an ε, in a study that claims none, cannot be added up: then no ε can be stated for the site's patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from fl_components.guard.budget import digest_of
from fl_components.guard.declaration import EVALUATION
from fl_components.guard.ledger import Ledger
from fl_components.guard.private_list import charged_event
from fl_components.site import Site
from fl_components.study import Study
from fl_components.training.private.accounting import Event, PureAnswer, epsilon_spent, event_of, replacement_epsilon
from fl_components.training.private.plan import plan_of
from privacy_eval.errors import InputError

RESERVED: Final = "reserved"
"""The decision of a ledger's entry that spends."""

TELLING: Final = ("summarise", "train", "audit", *EVALUATION)
"""Tasks whose answers tell of patients."""


@dataclass(frozen=True)
class Spending:
    """What a ledger says was spent.

    Attributes:
        events: of all studies, oldest first.
        unaccounted: answers about patients that left without an ε.
    """

    events: tuple[Event, ...]
    unaccounted: int

    @classmethod
    def of(cls, entries: Sequence[Mapping[str, Any]], study: str | None = None) -> Spending:
        """Add up a ledger's entries.

        Args:
            entries: all of them.
            study: hash of one study, to count its own alone.

        Raises:
            InputError: if an entry is of an event that cannot be accounted for.
        """
        events: list[Event] = []
        unaccounted = 0
        for entry in entries:
            if study is not None and entry.get("study") != study:
                continue
            if entry["decision"] == RESERVED:
                events.append(event_of(entry["event"]))
            elif entry["decision"] == "sent" and entry.get("task") in TELLING and "reserved" not in entry:
                if entry["task"] == "audit" and "epsilon" in entry:
                    events.append(PureAnswer(float(entry["epsilon"])))
                else:
                    unaccounted += 1
        return cls(tuple(events), unaccounted)

    def epsilon(self, delta: float) -> float:
        """ε at δ of all events, one patient added or removed; infinite if something left without an ε."""
        return float("inf") if self.unaccounted else epsilon_spent(self.events, delta)

    def replacing(self, delta: float) -> float:
        """The same for replacing a patient."""
        return float("inf") if self.unaccounted else replacement_epsilon(self.events, delta)


@dataclass(frozen=True)
class Reservation:
    """What may now be done with patients, once: `event`, as entry `sequence` of the ledger."""

    event: Event
    sequence: int


class PrivacyAccount:
    """One site's account.

    Args:
        site: its policy has the caps: `epsilon` at `delta`.
        study: that wants to spend; its own claim is a cap too.
    """

    def __init__(self, site: Site, study: Study) -> None:
        self.site, self.study = site, study
        self.ledger = Ledger(site.ledger)

    def reserve(self, event: Event, *, task: str, job: str, round_number: int) -> Reservation:
        """Spend, before a patient is touched.

        Raises:
            InputError: if a cap would be passed, something left without an ε, or the ledger is broken; nothing is
                spent then, and the refusal is in the ledger.
        """
        head = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "study": self.study.hash, "job": job,
                "task": task, "round": round_number}
        written = self.ledger.append_after(lambda earlier: {**head, **self._decision(event, earlier)})
        if written["decision"] != RESERVED:
            raise InputError(written["reason"])
        return Reservation(event, int(written["sequence"]))

    def spending(self, study: bool = False) -> Spending:
        """What was spent, over everything or by this study alone."""
        return Spending.of(self.ledger.entries(), self.study.hash if study else None)

    def _decision(self, event: Event, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if broken := self.ledger.break_of(earlier):
            return {"decision": "refused", "reason": f"{broken}: what was spent cannot be known"}
        if (reason := self.over(event, earlier)) is not None:
            return {"decision": "refused", "reason": reason}
        delta = self.site.policy.delta
        before = Spending.of(earlier)
        after = Spending((*before.events, event), before.unaccounted)
        return {"decision": RESERVED, "event": event.to_record(), "epsilon_before": before.epsilon(delta),
                "epsilon_spent": after.epsilon(delta), "delta": delta, "epsilon_allowed": self.site.policy.epsilon}

    def over(self, event: Event, earlier: Sequence[Mapping[str, Any]]) -> str | None:
        """Why an event may not be spent on top of a ledger's entries, in one line; None if it may."""
        policy, claim = self.site.policy, self.study.privacy
        if policy.epsilon is None:
            return ("the study claims an ε, and the site's policy has no epsilon; set it in site.toml to what its "
                    "patients may be charged in all")
        if claim.delta > policy.delta:
            return f"the study's delta = {claim.delta:g} exceeds the policy's {policy.delta:g}"
        if unaccounted := Spending.of(earlier).unaccounted:
            return (f"{unaccounted} answer(s) about these patients left without an ε, in a study that claims none: no "
                    "ε can be stated for them; a private study needs patients of whom nothing left")
        more = {"decision": RESERVED, "study": self.study.hash, "event": event.to_record()}
        if (found := Spending.of([*earlier, more]).epsilon(policy.delta)) > policy.epsilon:
            return (f"the privacy budget is spent: with this step ε would be {found:.4g} at δ = {policy.delta:g}, the "
                    f"policy allows {policy.epsilon:g}; the site stops here, the federation goes on without it")
        if (found := Spending.of([*earlier, more], self.study.hash).epsilon(claim.delta)) > claim.epsilon:
            return (f"the study's privacy budget is spent: with this step ε would be {found:.4g} at δ = "
                    f"{claim.delta:g}, it claims {claim.epsilon:g}; rounds were repeated, the site stops here")
        return None


def settle(account: PrivacyAccount, task: str, fields: Mapping[str, np.ndarray],
           earlier: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], str | None]:
    """What an answer of a private study was charged as, for its entry in the ledger, and why it may not leave.

    A summary or an update needs a reservation of its very event that nothing left for yet; the same answer may leave
    again, it tells nothing new. An audit's answer is charged as it leaves.

    Args:
        account: of site and study.
        task: what is answered.
        fields: the answer, unmasked.
        earlier: all entries of the ledger.
    """
    plan = plan_of(account.study)
    if plan is None or task not in TELLING:
        return {}, None
    if task == "audit":
        return {}, account.over(plan.audit, earlier) if fields["n_members"] else None
    answer = digest_of(fields)
    before = [entry for entry in earlier if entry["decision"] == "sent" and entry.get("answer") == answer
              and entry["study"] == account.study.hash and entry["task"] == task]
    if before:
        return {"answer": answer, "reserved": before[0]["reserved"]}, None
    event = charged_event(task, plan)
    if event is None:
        still = all(not value.any() for value in fields.values())
        return {"answer": answer, "reserved": None}, None if still else "the study trains nothing on patients"
    used = {entry["reserved"] for entry in earlier if "reserved" in entry}
    for entry in reversed(earlier):
        if (entry["decision"], entry["study"], entry.get("task")) == (RESERVED, account.study.hash, task) and (
                entry["sequence"] not in used and event_of(entry["event"]) == event):
            return {"answer": answer, "reserved": entry["sequence"]}, None
    return {}, "nothing was reserved for it in the site's privacy account"
