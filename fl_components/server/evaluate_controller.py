"""The server's side of an evaluation: the release goes to every site, segmenters are trained and scored, arm by arm."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fl_components.client.images_sent import RELEASE, images_sent, require_on_grid
from fl_components.evaluation.arms import Arm, arms_of
from fl_components.evaluation.cohort import require_evaluation
from fl_components.networks.segmenter import build_segmenter
from fl_components.server.admission import Admission
from fl_components.server.ask import MissingSitesError, scalars_of
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.server.release import released_images
from fl_components.server.release_manifest import release_digest
from fl_components.server.rounds import Rounds
from fl_components.study import Study
from fl_components.training.segment import segmenter_weights


class EvaluateController(StudyController):
    """Sends the release, averages each arm's segmenter over the study's rounds, and keeps what the sites say of both.

    An update that is not admitted costs its site the round, as in training; a site that does not answer ends the job.
    """

    job = "evaluate"

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        require_evaluation(study)
        home.write_result(self.job, "running")
        release = released_images(home.release, study.evaluation.volumes)
        require_on_grid(release, study.grid, str(home.release))
        worth = self.ask_declared(study, "evaluate_release", images_sent(RELEASE, release))
        rounds = Rounds(self, study, self.sites, "segment")
        admission = Admission(study, task="segment")
        arms = [self._arm(study, index, arm, rounds, admission) for index, arm in enumerate(arms_of(study))]
        home.write_result(self.job, "done", study=study.hash, release=release_digest(home.release),
                          volumes=len(release), contributors=list(home.contributors(study)), worth=scalars_of(worth),
                          arms=arms, rejected=admission.rejected)

    def _arm(self, study: Study, index: int, arm: Arm, rounds: Rounds, admission: Admission) -> dict[str, Any]:
        """Train and score one arm's segmenter."""
        weights = segmenter_weights(build_segmenter(arm.segmenter, arm.seed))
        first = index * study.evaluation.rounds
        for round_number in range(first, first + study.evaluation.rounds):
            made = rounds.run(weights, round_number, admission)
            if made.change is None or made.silent:
                raise MissingSitesError(f"round {round_number + 1}: no usable update of a segmenter from site(s) "
                                        f"{', '.join(made.silent)}; see the site's own log", made.silent)
            weights = {name: weights[name] + made.change[name] for name in weights}
        scores = self.ask_declared(study, "segment_scores", weights, round_number)
        return {**asdict(arm), "scores": scalars_of(scores)}
