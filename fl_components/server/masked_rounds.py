"""The server's side of masked rounds: keys once a job, then each round the masked updates and the seeds to sum them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.guard.declaration import Task, declare, refusal
from fl_components.guard.masked_update import mean_update
from fl_components.guard.secure_sum import KEYS
from fl_components.networks.weights import Weights
from fl_components.server.ask import Replies, ask_round
from fl_components.study import Study

_NOTHING: Final = {"none": np.zeros(1, np.float32)}
"""NVFlare sends no empty task."""


class MaskedRounds:
    """The rounds of one job, all over the same sites.

    Without one site's part there is no sum: the round is lost then, and has to be asked again in a job without that
    site. What the others sent stays hidden, also from a server that keeps it, since no seed was told.

    Args:
        controller: the controller that runs.
        study: its settings.
        sites: of the job.
        task: "train" or "segment".
    """

    def __init__(self, controller: ModelController, study: Study, sites: Sequence[str], task: Task = "train") -> None:
        self.controller, self.study, self.sites, self.task = controller, study, list(sites), task
        self._keys: dict[str, np.ndarray] = {}

    def mean(self, weights: Weights, round_number: int) -> tuple[dict[str, np.ndarray] | None, Replies]:
        """One round.

        Args:
            weights: the network it starts from.
            round_number: counted from 0.

        Returns:
            The mean over the job's sites by their shares, fields as `update_fields` declares them, or None if the
            round was lost; and the replies to the last question, whose `absent` and `refused` name who lost it.
        """
        if not self._keys:
            replies = self._ask("train_keys", _NOTHING, round_number)
            if not self._complete(replies):
                return None, replies
            self._keys = {KEYS + site: fields["key"] for site, fields in replies.answers.items()}
        masked = self._ask(self.task, {**weights, **self._keys}, round_number)
        if not self._complete(masked):
            return None, masked
        told = self._ask("train_reveal", _NOTHING, round_number)
        if not self._complete(told):
            return None, told
        seeds = {site: bytes(fields["seed"]) for site, fields in told.answers.items()}
        return mean_update(self.study, masked.answers, seeds, self.task, round_number), told

    def _complete(self, replies: Replies) -> bool:
        return set(replies.answers) == set(self.sites)

    def _ask(self, task: Task, data: Mapping[str, np.ndarray], round_number: int) -> Replies:
        """The replies; answers that are not as declared are among the refused."""
        replies = ask_round(self.controller, self.study, self.sites, task, data, round_number)
        declaration = declare(task, self.study, round_number)
        refused = {site: reason for site, fields in replies.answers.items()
                   if (reason := refusal(declaration, fields))}
        answers = {site: fields for site, fields in replies.answers.items() if site not in refused}
        return Replies(answers, replies.absent, [*replies.refused, *refused.items()])
