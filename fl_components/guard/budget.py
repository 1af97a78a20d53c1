"""What audits cost a site's patients: an account in the site's own ledger, for studies that claim an ε.

An answer's ε is charged to all members and holdout patients of the site at once, whatever study it was for: the
patients are the same, so the sum over the ledger is an upper bound for each of them. It is of answers to "audit" in
studies that claim an ε, and of nothing else that leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fl_components.study import Study


def claimed_epsilon(task: str, study: Study) -> float | None:
    """The ε an answer to this task claims; None where it claims none."""
    return study.audit.epsilon if task == "audit" else None


def charge(epsilon: float, fields: Mapping[str, np.ndarray], study: Study, earlier: Sequence[Mapping[str, Any]],
           allowed: float) -> tuple[dict[str, Any], str | None]:
    """What an answer costs, for its entry in the ledger, and why it may not leave; None if it may.

    Nothing is charged for an abstention, which says only that patients are few, nor for the very answer that this
    study has paid for already: the noise is the same, so nothing new is told.

    Args:
        epsilon: what the answer claims.
        fields: what would leave.
        study: what it is for.
        earlier: all entries of the ledger.
        allowed: the policy's `audit_epsilon`.
    """
    answer = digest_of(fields)
    known = any(entry.get("answer") == answer for entry in earlier
                if entry["decision"] == "sent" and entry["study"] == study.hash)
    cost = Fraction(0) if known or not fields["n_members"] else _exact(epsilon)
    before = spent(earlier)
    account = {"answer": answer, "epsilon": float(cost), "epsilon_before": float(before),
               "epsilon_spent": float(before + cost), "epsilon_allowed": allowed}
    if not allowed:
        return account, (f"the study claims an epsilon of {epsilon:g} for its audit, and the site's policy key "
                         "audit_epsilon is 0; set it in site.toml to what its patients may be charged in all")
    if cost and before + cost > _exact(allowed):
        return account, (f"its epsilon of {epsilon:g} on top of the {float(before):g} already spent exceeds the "
                         f"policy's audit_epsilon = {allowed:g}")
    return account, None


def spent(entries: Sequence[Mapping[str, Any]]) -> Fraction:
    """The ε of all noised answers that were sent, by basic composition."""
    return sum((_exact(entry["epsilon"]) for entry in entries if entry["decision"] == "sent" and "epsilon" in entry),
               Fraction(0))


def _exact(epsilon: float) -> Fraction:
    """As it is written: ten times .1 is 1."""
    return Fraction(str(epsilon))


def digest_of(fields: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names and values."""
    digest = hashlib.sha256()
    for name in sorted(fields):
        digest.update(name.encode() + b"\0" + fields[name].tobytes())
    return digest.hexdigest()
