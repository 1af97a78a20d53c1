"""The record of a person's decision about a release, bound to the report it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from privacy_eval.errors import InputError
from privacy_eval.verdict.policy import Verdict

SIGNOFF_VERSION: Final = 1

RELEASE, REFUSE, ASK = "release to named recipients", "do not release", "ask for more"
DECISIONS: Final = (RELEASE, REFUSE, ASK)

REQUIRED: Final = ("name", "role", "institution", "decision", "signed_on")
FIELDS: Final = (*REQUIRED, "recipients", "conditions", "expires_on", "comments")
"""What a person fills in; texts, the two dates as YYYY-MM-DD."""


def report_digest(report: Mapping[str, Any]) -> str:
    """SHA-256 of the report as canonical JSON: keys sorted, no spaces, UTF-8; 64 hexadecimal digits."""
    text = json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def bound_to(report: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that the report fixes; the page carries it so that its button can write records."""
    return {
        "signoff_version": SIGNOFF_VERSION,
        "report_sha256": report_digest(report),
        "verdict": report["verdict"],
        "edition": report["edition"],
        "audit_number": report["audit_number"],
        "study_hash": report.get("provenance", {}).get("study_hash"),
    }


def signoff_record(report: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The record of a decision.

    Args:
        report: from `audit_report`, with what the caller added, or read back from its file.
        fields: of `FIELDS`; those left out are empty.

    Raises:
        InputError: as `check_signoff`, or on an unknown field.
    """
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise InputError(f"sign-off: unknown field '{unknown[0]}'; expected from {', '.join(FIELDS)}")
    record = bound_to(report) | {name: fields.get(name, "").strip() for name in FIELDS}
    check_signoff(record, report)
    return record


def check_signoff(record: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """Refuse a record that is not complete, or not of this report.

    Raises:
        InputError: naming the first field that is wrong.
    """
    expected = bound_to(report)
    if wrong := sorted(set(record) ^ {*expected, *FIELDS}):
        what = "lacks" if wrong[0] not in record else "holds the unknown"
        raise InputError(f"sign-off: {what} '{wrong[0]}'; expected {', '.join([*expected, *FIELDS])}")
    for name, value in expected.items():
        if record[name] != value:
            raise InputError(f"sign-off: {name} = {record[name]}; expected {value}, as this report has: sign this one")
    _check_fields(record)


def _check_fields(record: Mapping[str, Any]) -> None:
    for name in FIELDS:
        if not isinstance(record[name], str):
            raise InputError(f"sign-off: {name} = {record[name]!r}; expected text")
    if empty := [name for name in REQUIRED if not record[name]]:
        raise InputError(f"sign-off: {empty[0]} is empty; expected it filled in")
    if record["decision"] not in DECISIONS:
        raise InputError(f"sign-off: decision = '{record['decision']}'; expected one of: {', '.join(DECISIONS)}")
    signed = _date(record, "signed_on")
    expires = _date(record, "expires_on") if record["expires_on"] else None
    if expires is not None and expires <= signed:
        raise InputError(f"sign-off: expires_on = {expires}; expected a day after {signed}, when it was signed")
    if record["decision"] != RELEASE:
        return
    if not record["recipients"] or expires is None:
        missing = "expires_on" if record["recipients"] else "recipients"
        raise InputError(f"sign-off: {missing} is empty; expected it with '{RELEASE}'")
    if record["verdict"] != Verdict.NO_LEAK_FOUND and not record["comments"]:
        raise InputError(f"sign-off: comments is empty; expected why to release although the verdict is "
                         f"{record['verdict']}")


def _date(record: Mapping[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(record[name])
    except ValueError:
        raise InputError(f"sign-off: {name} = '{record[name]}'; expected a date as YYYY-MM-DD") from None
