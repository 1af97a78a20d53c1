"""The server's side of training: summaries once, then rounds of local training, admission and aggregation."""

from __future__ import annotations

from typing import Any

import numpy as np

from fl_components.guard.declaration import TRAINING_SCALARS, declare, refusal
from fl_components.json_file import write_json
from fl_components.networks.build import Weights, build_generator, weights_of
from fl_components.server.admission import Admission
from fl_components.server.aggregation import aggregate
from fl_components.server.ask import ask_round, ask_sites
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.study import Study


class TrainController(StudyController):
    """Aggregates the admitted updates of each round and keeps the exponential average of the generators they make.

    A round goes on without sites that are silent or rejected, as long as the study's `minimum_updates` remain; who
    was left out is in the result. Each is asked again in the next round.
    """

    job = "train"

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        curves: list[dict[str, Any]] = []
        home.write_result("train", "running", study=study.hash, curves=curves)
        self._summarise(study, home)
        self._train(study, home, curves)

    def _summarise(self, study: Study, home: ServerHome) -> None:
        answers = ask_sites(self, study, "summarise", {"none": np.zeros(1, np.float32)}, 0)
        declaration = declare("summarise", study)
        for site, fields in answers.items():
            if reason := refusal(declaration, fields):
                raise RuntimeError(f"site '{site}': its contrast summary is refused: {reason}")
        summary = {site: {name: value.tolist() for name, value in fields.items()} for site, fields in answers.items()}
        write_json(home.population_file, summary)

    def _train(self, study: Study, home: ServerHome, curves: list[dict[str, Any]]) -> None:
        weights = weights_of(build_generator(study))
        smoothed = weights
        admission = Admission(study)
        for round_number in range(study.training.rounds):
            updates = admission.admit(round_number, ask_round(self, study, "train", weights, round_number))
            curves += [{"round": round_number + 1, "site": site, **{name: float(fields[name])
                                                                    for name in TRAINING_SCALARS}}
                       for site, fields in updates.items()]
            change = aggregate(study, updates, weights)
            weights = {name: weights[name] + change[name] for name in weights}
            smoothed = weights if round_number == 0 else _blend(smoothed, weights, study.training.ema_decay)
            home.save_generator(smoothed, study, rounds=str(round_number + 1))
            status = "done" if round_number + 1 == study.training.rounds else "running"
            home.write_result("train", status, study=study.hash, rounds=round_number + 1, curves=curves,
                              rejected=admission.rejected, absent=admission.absent)


def _blend(old: Weights, new: Weights, decay: float) -> Weights:
    """Exponential average: decay · old + (1 − decay) · new."""
    return {name: np.float32(decay) * old[name] + np.float32(1 - decay) * new[name] for name in old}
