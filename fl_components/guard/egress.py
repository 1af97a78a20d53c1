"""The guard: rebuilds what leaves a site from its declaration, writes it into the ledger, stops all else."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args

import numpy as np

from fl_components.guard.budget import charge, claimed_epsilon
from fl_components.guard.declaration import (
    UPDATES,
    Declaration,
    Task,
    declare,
    masked,
    refusal,
    tensor_norm,
    update_bound,
    update_fields,
)
from fl_components.guard.evaluation_fields import is_number, is_test_number
from fl_components.guard.ledger import Ledger
from fl_components.guard.masked_update import Masking, masked_update
from fl_components.guard.seal import policy_digest
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError


class EgressRefusedError(Exception):
    """The site's guard stopped an answer; the message says what and why, and holds no value of it."""


class Guard:
    """One site's egress control. Its policy comes from the site's own `site.toml`; a job has no say in it."""

    def __init__(self, site: Site, study: Study) -> None:
        self.site, self.study = site, study
        self.ledger = Ledger(site.ledger)

    def require_allowed(self, task: str, *, job: str, round_number: int) -> None:
        """Before anything is computed: refuse, in the ledger too, what the policy would not let leave afterwards.

        Raises:
            EgressRefusedError: as `release`.
        """
        if (reason := self._disallowed(task, (), round_number)) is not None:
            self.ledger.append({**self._entry(task, job, round_number), "decision": "refused", "reason": reason})
            raise self._refused(task, reason)

    def release(self, task: str, fields: Mapping[str, np.ndarray], *, job: str, round_number: int,
                masking: Masking | None = None) -> dict[str, np.ndarray]:
        """Let an answer leave.

        Args:
            task: the task it answers.
            fields: names and arrays; scalars are 0-d arrays.
            job: NVFlare's identifier of the job.
            round_number: counted from 0.
            masking: what an update is masked with, where the study wants it masked; nothing leaves without.

        Returns:
            New arrays holding exactly the declared fields; nothing of the caller's objects is passed on.

        Raises:
            EgressRefusedError: if the policy, its budget or the declaration does not allow it; the refusal is in the
                ledger.
        """
        entry = self._entry(task, job, round_number)
        if (reason := self._refusal(task, fields, round_number)) is not None:
            self.ledger.append({**entry, "decision": "refused", "reason": reason})
            raise self._refused(task, reason)
        hidden, facts = self._masked(task, fields, masking, entry)
        rebuilt = rebuild(declare(cast(Task, task), self.study, round_number), hidden)
        told = {**describe(rebuilt), **facts}
        # The ledger first: what is sent without a record would be worse than a record of what was not sent.
        if claimed_epsilon(task, self.study) is None and not self.study.privacy.private:
            self.ledger.append({**entry, "decision": "sent", **told})
            return rebuilt
        written = self.ledger.append_after(lambda earlier: {**entry, **self._charged(task, fields, told, earlier)})
        if written["decision"] == "refused":
            raise self._refused(task, written["reason"])
        return rebuilt

    def _entry(self, task: str, job: str, round_number: int) -> dict[str, Any]:
        return {"time": datetime.now(UTC).isoformat(timespec="seconds"), "study": self.study.hash, "job": job,
                "task": task, "round": round_number, "destination": "server",
                "policy": policy_digest(self.site.policy)}

    def _masked(self, task: str, fields: Mapping[str, np.ndarray], masking: Masking | None,
                entry: Mapping[str, Any]) -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
        """What leaves, under masks where the study wants them, and what only the site knows of it: the norm before."""
        if not masked(task, self.study):
            return fields, {}
        try:
            if masking is None:
                raise InputError("the study wants updates masked, and there is no key for it")
            hidden = masked_update(self.study, self.site.name, masking, fields, entry["job"], entry["round"], task)
        except InputError as error:
            self.ledger.append({**entry, "decision": "refused", "reason": str(error)})
            raise self._refused(task, str(error)) from None
        return hidden, {"norm": tensor_norm(fields), "masked": masking.facts()}

    def _charged(self, task: str, fields: Mapping[str, np.ndarray], told: Mapping[str, Any],
                 earlier: list[dict[str, Any]]) -> dict[str, Any]:
        """The decision on an answer with a price, by what was paid before."""
        if broken := self.ledger.break_of(earlier):
            return {"decision": "refused", "reason": f"{broken}: what was spent cannot be known"}
        account: dict[str, Any] = {}
        reason = None
        if (epsilon := claimed_epsilon(task, self.study)) is not None:
            account, reason = charge(epsilon, fields, self.study, earlier, self.site.policy.audit_epsilon)
        if reason is None and self.study.privacy.private and account.get("epsilon", 1):
            from fl_components.guard.privacy_account import PrivacyAccount, settle  # torch, for private studies alone

            more, reason = settle(PrivacyAccount(self.site, self.study), task, fields, earlier)
            account |= more
        if reason is not None:
            return {"decision": "refused", "reason": reason}
        return {"decision": "sent", **told, **account}

    def _refused(self, task: str, reason: str) -> EgressRefusedError:
        return EgressRefusedError(f"site '{self.site.name}' refused to send the answer to '{task}': {reason}")

    def _disallowed(self, task: str, names: Collection[str], round_number: int) -> str | None:
        """Why no answer to a task may leave, with these fields or any."""
        policy = self.site.policy
        if task not in get_args(Task):
            return f"unknown task '{task}'"
        if task not in policy.tasks:
            return f"the site's policy does not allow task '{task}'; site.toml's key policy.tasks names what it allows"
        if round_number >= policy.maximum_rounds:
            return f"round {round_number + 1} is beyond the policy's maximum_rounds = {policy.maximum_rounds}"
        return self._unclaimed(task, names)

    def _refusal(self, task: str, fields: Mapping[str, np.ndarray], round_number: int) -> str | None:
        policy = self.site.policy
        if reason := self._disallowed(task, fields, round_number):
            return reason
        update, hidden = task in UPDATES, masked(task, self.study)
        expected = (update_fields(task, self.study, round_number) if update
                    else declare(cast(Task, task), self.study, round_number))
        if reason := refusal(expected, fields):
            return reason
        if update and (norm := tensor_norm(fields)) > policy.maximum_update_norm:
            return f"the update's norm {norm:.4g} exceeds the policy's {policy.maximum_update_norm:g}"
        if hidden and norm > (bound := update_bound(task, self.study)):
            return f"the update's norm {norm:.4g} exceeds the study's {bound:g}, and masked it could not be checked"
        if (size := sum(value.nbytes for value in fields.values())) > policy.maximum_message_bytes:
            return f"{size} bytes exceed the policy's maximum_message_bytes = {policy.maximum_message_bytes}"
        return self._too_few(fields)

    def _unclaimed(self, task: str, names: Collection[str]) -> str | None:
        """Where an ε is claimed, by the study or by the site, nothing leaves without one."""
        if self.study.privacy.private:
            from fl_components.guard.private_list import unlisted  # torch, for private studies alone

            return unlisted(task, self.study, list(names))
        if self.site.policy.epsilon is not None:
            return (f"the site's policy has epsilon = {self.site.policy.epsilon:g}, and the study claims none: what it "
                    "would tell of patients cannot be accounted for")
        return None

    def _too_few(self, fields: Mapping[str, np.ndarray]) -> str | None:
        """Statistics over few subjects point at persons."""
        policy = self.site.policy
        for name, value in fields.items():
            for counted, key in ((name in ("n_members", "n_holdout") or is_number(name), "minimum_subjects"),
                                 (is_test_number(name), "minimum_test_subjects")):
                if counted and 0 < value < (least := getattr(policy, key)):  # 0: the site abstains
                    return f"'{name}' = {int(value)} is below the policy's {key} = {least}"
        return None


def rebuild(declaration: Declaration, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fresh arrays made from declared shape and type alone, filled with the values; nothing else travels on."""
    rebuilt = {}
    for name, field in declaration.items():
        rebuilt[name] = np.empty(field.shape, field.dtype)
        rebuilt[name][...] = fields[name]
    return rebuilt


def describe(fields: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the ledger says of the fields of an answer: sizes, norms, digests of tensors, values of scalars.

    Keys and masked values have no norm.
    """
    tensors = [
        {"name": name, "shape": list(value.shape), "dtype": str(value.dtype), "bytes": value.nbytes,
         **({"norm": float(np.linalg.norm(value.astype(np.float64)))} if value.dtype.kind == "f" else {}),
         "sha256": hashlib.sha256(value.tobytes()).hexdigest()}
        for name, value in fields.items() if value.ndim]
    scalars = {name: float(value) for name, value in fields.items() if not value.ndim}
    norm = {"norm": tensor_norm(fields)} if any("norm" in tensor for tensor in tensors) else {}
    return {"bytes": sum(value.nbytes for value in fields.values()), "tensors": tensors, "scalars": scalars, **norm}
