"""The second look at a task's reply, by the site's own files and ledger, whatever the executor did before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, get_args

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply

from fl_components.guard.declaration import Task, declarations, refusal
from fl_components.guard.egress import EgressRefusedError, describe, rebuild
from fl_components.guard.ledger import Ledger
from fl_components.guard.seal import Seal, policy_digest

KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("summarise", "train_keys", "train", "train_reveal", "segment"), DataKind.WEIGHT_DIFF),
    **dict.fromkeys(("audit_keys", "audit", "evaluate_release", "segment_scores"), DataKind.STATISTICS)}
"""NVFlare's kind of data that each task is answered with."""

_FAILURES: Final = frozenset({ReturnCode.TASK_ABORTED, ReturnCode.TASK_UNKNOWN, ReturnCode.EXECUTION_EXCEPTION})


class ResultCheck:
    """Lets a reply pass that is declared and that the site's ledger recorded as sent, once each.

    Args:
        seal: the site's settings and study; nothing passes once it is broken.
        wall: who checks; named in the ledger where it refuses.
    """

    def __init__(self, seal: Seal, wall: str) -> None:
        self.seal, self.site, self.study = seal, seal.site, seal.study
        self.wall = wall
        self.ledger = Ledger(self.site.ledger)
        self._passed: set[int] = set()

    def passed(self, result: Shareable, task: str, job: str) -> Shareable:
        """A new reply made from declared fields alone: no header, metadata or key of the old one.

        A reply that reports a failure passes as its bare return code, an unknown code as a bare EXECUTION_EXCEPTION;
        whatever may not pass is replaced by the latter, and the ledger says why.
        """
        code = result.get_return_code()
        if code != ReturnCode.OK:
            return make_reply(code if isinstance(code, str) and code in _FAILURES else ReturnCode.EXECUTION_EXCEPTION)
        try:
            return DXO(KINDS[task], data=self._fields(result, task, job)).to_shareable()
        except Exception as error:
            reason = str(error) if isinstance(error, EgressRefusedError) else f"unreadable ({type(error).__name__})"
            self.ledger.append({
                "time": datetime.now(UTC).isoformat(timespec="seconds"), "study": self.study.hash, "job": job,
                "task": str(task), "destination": "server", "policy": policy_digest(self.site.policy),
                "decision": "refused", "wall": self.wall, "reason": reason[:200]})
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)

    def _fields(self, result: Shareable, task: str, job: str) -> dict[str, np.ndarray]:
        if broken := self.seal.broken():
            raise EgressRefusedError(broken)
        if task not in get_args(Task) or task not in self.site.policy.tasks:
            raise EgressRefusedError(f"the site's policy does not allow task '{task}'")
        dxo = from_shareable(result)
        if dxo.data_kind != KINDS[task]:
            raise EgressRefusedError(f"data of kind {dxo.data_kind!r}, expected {KINDS[task]!r}")
        possible = declarations(task, self.study)
        reasons = [refusal(declaration, dxo.data) for declaration in possible]
        if None not in reasons:
            raise EgressRefusedError(str(reasons[0]))
        fields = rebuild(possible[reasons.index(None)], dxo.data)
        self._require_recorded(fields, task, job)
        return fields

    def _require_recorded(self, fields: Mapping[str, np.ndarray], task: str, job: str) -> None:
        """What the executor's guard let pass is in the ledger; what went round the guard is not."""
        found = describe(fields)
        sent = [entry for entry in self.ledger.entries()
                if (entry["decision"], entry.get("job"), entry.get("task")) == ("sent", job, task)]
        if len(sent) > self.site.policy.maximum_rounds:
            raise EgressRefusedError(f"this job was answered {len(sent)} times, the policy's maximum_rounds is "
                                     f"{self.site.policy.maximum_rounds}")
        for entry in sent:
            if entry["sequence"] not in self._passed and all(entry.get(key) == value for key, value in found.items()):
                self._passed.add(entry["sequence"])
                return
        raise EgressRefusedError("the ledger has no record of this answer that is still open")
