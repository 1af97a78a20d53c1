"""A round: every site's update asked for, admitted and aggregated, under masks where the study wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nvflare.app_common.workflows.model_controller import ModelController

from fl_components.guard.declaration import CURVES, Task
from fl_components.networks.weights import Weights
from fl_components.server.admission import Admission
from fl_components.server.aggregation import aggregate
from fl_components.server.ask import Answers, ask_round
from fl_components.server.home import ALL_SITES
from fl_components.server.masked_rounds import MaskedRounds
from fl_components.study import Study


class Round(NamedTuple):
    """`change`: of the weights, None if the round was lost; `curves`: mean losses, a row a site, or one of all sites
    together where updates are masked; `silent`: who did not answer."""

    change: Weights | None
    curves: list[dict[str, Any]]
    silent: list[str]


class Rounds:
    """The rounds of one job, all over the same sites.

    Args:
        controller: the controller that runs.
        study: its settings.
        sites: of the job.
        task: "train" or "segment".
    """

    def __init__(self, controller: ModelController, study: Study, sites: Sequence[str], task: Task = "train") -> None:
        self.controller, self.study, self.sites, self.task = controller, study, list(sites), task
        self._masked = (MaskedRounds(controller, study, sites, task) if study.federation.secure_aggregation else None)

    def run(self, weights: Weights, round_number: int, admission: Admission) -> Round:
        """One round.

        Args:
            weights: the network it starts from.
            round_number: counted from 0.
            admission: judges the updates, and keeps who was left out.

        Raises:
            MissingSitesError, RuntimeError: as `Admission.admit`.
        """
        if self._masked is None:
            replies = ask_round(self.controller, self.study, self.sites, self.task, weights, round_number)
            updates = admission.admit(round_number, replies)
            return Round(aggregate(self.study, updates, weights, self.task), _curves(round_number + 1, updates),
                         replies.absent)
        mean, replies = self._masked.mean(weights, round_number)
        admission.admit_sum(round_number, mean, replies)
        curves = [] if mean is None else [{**_curves(round_number + 1, {ALL_SITES: mean})[0], "sites": self.sites}]
        change = None if mean is None else {name: mean[name] for name in weights}
        return Round(change, curves, [site for site in self.sites if site not in replies.answers])


def _curves(number: int, updates: Answers) -> list[dict[str, Any]]:
    return [{"round": number, "site": site, **{name: float(fields[name]) for name in sorted(CURVES & set(fields))}}
            for site, fields in updates.items()]
