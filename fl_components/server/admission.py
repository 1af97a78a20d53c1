"""Admission: which of the sites' updates count in a round, and who was left out, why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from fl_components.guard.declaration import CURVES, Task, declare, refusal, tensor_norm, update_bound
from fl_components.server.ask import Answers, MissingSitesError, Replies
from fl_components.study import Study

_LONGEST_REASON: Final = 200
_ROUNDING: Final = 1.001
"""What rounding may add to the norm of a masked mean."""


class Admission:
    """Judges each round's updates.

    `rejected` lists `round` (from 1), `site` and `reason`, `absent` lists `round` and `site`, of all rounds so far.

    An update that repeats one of the site's earlier ones bit by bit is rejected: training draws afresh each round, so
    it was not trained from this round's weights. Somebody who alters a copy by a bit passes, within the norm bound.

    Args:
        study: what is admitted.
        rejected, absent, seen: of the rounds before, where a training goes on; `seen` lists site and digest of every
            update that was judged well.
        task: "train" or "segment".
    """

    def __init__(self, study: Study, rejected: Iterable[dict[str, Any]] = (), absent: Iterable[dict[str, Any]] = (),
                 seen: Iterable[Sequence[str]] = (), task: Task = "train") -> None:
        self.study, self.task = study, task
        self.rejected, self.absent = list(rejected), list(absent)
        self._seen = {(site, digest) for site, digest in seen}

    @property
    def seen(self) -> list[list[str]]:
        """Site and digest of every update that was judged well, sorted."""
        return sorted(map(list, self._seen))

    def admit(self, round_number: int, replies: Replies) -> Answers:
        """The updates that count, in the study's order of sites.

        Args:
            round_number: counted from 0.
            replies: what came.

        Raises:
            MissingSitesError: naming everybody left out, if fewer than the study's minimum remain because sites did
                not answer.
            RuntimeError: the same, if all who were asked answered.
        """
        judged = {site: self._refusal(site, replies.answers[site], round_number) for site in self.study.sites
                  if site in replies.answers}
        updates = {site: replies.answers[site] for site, reason in judged.items() if not reason}
        refusals = [(site, reason) for site, reason in [*replies.refused, *judged.items()] if reason]
        self._require_enough(round_number, len(updates), refusals, replies.absent)
        return updates

    def admit_sum(self, round_number: int, mean: Mapping[str, np.ndarray] | None, replies: Replies) -> None:
        """Judge a masked round as a whole: of nobody's update more is seen than that it came.

        Args:
            round_number: counted from 0.
            mean: of all sites; None if the round was lost.
            replies: the last that came.

        Raises:
            MissingSitesError, RuntimeError: as `admit`, if too few sites are left to repeat the round.
            RuntimeError: if the mean is longer than a mean of updates within the bound can be.
        """
        self._require_enough(round_number, len(replies.answers), replies.refused, replies.absent)
        bound = update_bound(self.task, self.study)
        if mean is not None and (norm := tensor_norm(mean)) > bound * _ROUNDING:
            raise RuntimeError(f"round {round_number + 1}: the sum of the masked updates has norm {norm:.4g}, and none "
                               f"within update_norm_bound = {bound:g} can have; a site sent something else, masked, so "
                               "that the server cannot tell which: compare the sites' ledgers")

    def _require_enough(self, round_number: int, admitted: int, refusals: Iterable[tuple[str, str]],
                        absent: Sequence[str]) -> None:
        """Note who was left out; raise if fewer than the study's minimum remain."""
        named = [(site, _short(reason)) for site, reason in refusals]
        self.rejected += [{"round": round_number + 1, "site": site, "reason": reason} for site, reason in named]
        self.absent += [{"round": round_number + 1, "site": site} for site in absent]
        least = self.study.federation.least_updates(len(self.study.sites))
        if admitted < least:
            lost = [*(f"site '{site}' rejected: {reason}" for site, reason in named),
                    *(["no usable answer from site(s) " + ", ".join(absent)] if absent else [])]
            reason = (f"round {round_number + 1} has {admitted} admitted update(s), the study's "
                      f"federation.minimum_updates is {least}: {'; '.join(lost)}; see the site's own log")
            raise MissingSitesError(reason, absent) if absent else RuntimeError(reason)

    def _refusal(self, site: str, fields: Mapping[str, np.ndarray], round_number: int) -> str | None:
        if reason := update_refusal(self.study, site, fields, self.task, round_number):
            return reason
        digest = _digest(fields)
        if (site, digest) in self._seen:
            return "it repeats an update of an earlier round"
        self._seen.add((site, digest))
        return None


def update_refusal(study: Study, site: str, fields: Mapping[str, np.ndarray], task: Task = "train",
                   round_number: int = 0) -> str | None:
    """Why a site's update is not admitted, in one line; None if it is.

    Names, shapes, types and finiteness must be the declared ones, the L2 norm within the study's bound, and the site
    one of the study's.
    """
    if site not in study.sites:
        return f"'{site}' is not a site of the study"
    if reason := refusal(declare(task, study, round_number), fields):
        return reason
    if (norm := tensor_norm(fields)) > (bound := update_bound(task, study)):
        return f"norm {norm:.4g} exceeds the study's update_norm_bound = {bound:g}"
    return None


def _short(reason: str) -> str:
    """On one line: it may quote what the sender called its fields."""
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def _digest(fields: Mapping[str, np.ndarray]) -> str:
    """Of the tensors alone: the losses beside them cost nothing to change, nor does the sign of a zero."""
    state = hashlib.sha256()
    for name in sorted(set(fields) - CURVES):
        state.update((fields[name] + np.float32(0)).tobytes())
    return state.hexdigest()
