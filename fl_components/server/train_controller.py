"""The server's side of training: each site's summary once, then rounds of local training, admission, aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fl_components.server.admission import Admission
from fl_components.server.aggregation import blended
from fl_components.server.ask import MissingSitesError, ask_round
from fl_components.server.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.server.population import missing_summaries, summaries_of, take_summaries
from fl_components.server.rounds import Rounds
from fl_components.study import Study


class TrainController(StudyController):
    """Aggregates the admitted updates of each round and keeps the exponential average of the generators they make.

    It goes on from the checkpoint of the same training, if there is one, and writes one after every round. A round
    counts without sites that are silent or rejected, as long as the study's `minimum_updates` remain; who was left out
    is in the result. After a round in which a site did not answer the job ends "paused", so that no second round waits
    for it: whoever watches submits the next job, without that site. With the study's `secure_aggregation` such a round
    is lost, and the next job repeats it.

    Args:
        study_hash: see the base class.
        training: the training's identity, 32 hexadecimal digits.
        sites: see the base class.
        until: the round, counted from 1, after which the job ends.
    """

    job = "train"

    def __init__(self, study_hash: str, training: str, sites: Sequence[str], until: int) -> None:
        super().__init__(study_hash, sites)
        self.training = training
        self.until = until

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        checkpoint = read_checkpoint(home.checkpoint_file, study, self.training)
        if checkpoint is None:
            checkpoint = Checkpoint.start(study, self.training)
        else:  # a crash may have come between checkpoint and generator
            home.save_generator(checkpoint.smoothed, study, rounds=str(checkpoint.rounds))
        self._tell(study, home, checkpoint, "running")
        silent = self._summarise(study, home, checkpoint)
        rounds = Rounds(self, study, self.sites)
        while checkpoint.rounds < self._last(study) and not silent:
            checkpoint, silent = self._round(rounds, study, home, checkpoint)
        done = checkpoint.rounds == study.training.rounds
        self._tell(study, home, checkpoint, "done" if done else "paused", silent)

    def _last(self, study: Study) -> int:
        return min(self.until, study.training.rounds)

    def _tell(self, study: Study, home: ServerHome, checkpoint: Checkpoint, status: str,
              missing: Sequence[str] = ()) -> None:
        facts = {name: checkpoint.record[name] for name in ("curves", "rejected", "absent")}
        home.write_result("train", status, study=study.hash, training=self.training, rounds=checkpoint.rounds,
                          population=sorted(summaries_of(home.population_file, self.training)), missing=list(missing),
                          **facts)

    def _summarise(self, study: Study, home: ServerHome, checkpoint: Checkpoint) -> list[str]:
        """Ask those for their summary who gave none in this training; the sites that still lack one."""
        if checkpoint.rounds >= self._last(study):
            return []
        asked = missing_summaries(home.population_file, self.training, self.sites)
        if not asked:
            return []
        replies = ask_round(self, study, asked, "summarise", {"none": np.zeros(1, np.float32)}, checkpoint.rounds)
        refused = take_summaries(home.population_file, study, self.training, replies.answers)
        for site, reason in [*replies.refused, *refused.items()]:
            raise RuntimeError(f"site '{site}': its contrast summary is refused: {reason}")
        if len(self.sites) - len(replies.absent) < study.federation.least_updates(len(study.sites)):
            raise MissingSitesError(f"no contrast summary from site(s) {', '.join(replies.absent)}; see the site's own "
                                    "log", replies.absent)
        return replies.absent

    def _round(self, rounds: Rounds, study: Study, home: ServerHome,
               before: Checkpoint) -> tuple[Checkpoint, list[str]]:
        """One round; what it made, on disk, and who did not answer."""
        record = before.record
        admission = Admission(study, record["rejected"], record["absent"], record["seen"])
        change, curves, silent = rounds.run(before.weights, before.rounds, admission)
        told = {"curves": [*record["curves"], *curves], "rejected": admission.rejected, "absent": admission.absent,
                "seen": admission.seen}
        if change is None:
            after = replace(before, record=told)
        else:
            weights = {name: before.weights[name] + change[name] for name in before.weights}
            smoothed = blended(before.smoothed, weights, study.training.ema_decay) if before.rounds else weights
            after = Checkpoint(self.training, before.rounds + 1, weights, smoothed, told)
        write_checkpoint(home.checkpoint_file, study, after)
        home.save_generator(after.smoothed, study, rounds=str(after.rounds))
        self._tell(study, home, after, "running")
        return after, silent

