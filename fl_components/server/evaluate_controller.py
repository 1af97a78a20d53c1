"""The server's side of an evaluation: the release goes to every site, segmenters are trained and scored, arm by arm."""

from __future__ import annotations

from dataclasses import asdict

from fl_components.client.images_sent import RELEASE, images_sent, require_on_grid
from fl_components.evaluation.arms import Arm, arms_of
from fl_components.evaluation.cohort import require_evaluation
from fl_components.evaluation.table import anatomy_rows, realism_rows, segmenter_rows
from fl_components.networks.segmenter import build_segmenter
from fl_components.networks.weights import Weights, weights_of
from fl_components.server.admission import Admission
from fl_components.server.ask import MissingSitesError, scalars_of
from fl_components.server.controller import StudyController
from fl_components.server.home import ServerHome
from fl_components.server.release import released_images
from fl_components.server.release_manifest import release_digest
from fl_components.server.rounds import Rounds
from fl_components.study import Study


class EvaluateController(StudyController):
    """Sends the release, averages each arm's segmenter over the study's rounds, and combines what the sites say.

    An update that is not admitted costs its site the round, as in training; a site that does not answer ends the job.
    """

    job = "evaluate"

    def carry_out(self, study: Study, home: ServerHome) -> None:
        """See the base class."""
        require_evaluation(study)
        home.write_result(self.job, "running")
        release = released_images(home.release, study.evaluation.volumes)
        require_on_grid(release, study.grid, str(home.release))
        worth = scalars_of(self.ask_declared(study, "evaluate_release", images_sent(RELEASE, release)))
        rounds, admission = Rounds(self, study, self.sites, "segment"), Admission(study, task="segment")
        arms = []
        for index, arm in enumerate(arms_of(study)):
            weights = self._train(study, index, arm, rounds, admission)
            last = (index + 1) * study.evaluation.rounds - 1
            arms.append((arm, scalars_of(self.ask_declared(study, "segment_scores", weights, last))))
        told = {"worth": worth, "scores": [{**asdict(arm), "sites": scalars} for arm, scalars in arms]}
        home.write_result(self.job, "done", study=study.hash, release=release_digest(home.release),
                          volumes=len(release), contributors=list(home.contributors(study)),
                          members={site: int(scalars["n_members"]) for site, scalars in worth.items()},
                          realism=realism_rows(worth), anatomies=anatomy_rows(worth), segmenters=segmenter_rows(arms),
                          rejected=admission.rejected, told=told)

    def _train(self, study: Study, index: int, arm: Arm, rounds: Rounds, admission: Admission) -> Weights:
        """One arm's segmenter after all its rounds."""
        weights = weights_of(build_segmenter(arm.segmenter, arm.seed))
        first = index * study.evaluation.rounds
        for round_number in range(first, first + study.evaluation.rounds):
            change, _, silent = rounds.run(weights, round_number, admission)
            if change is None or silent:
                raise MissingSitesError(f"round {round_number + 1}: no usable update of a segmenter from site(s) "
                                        f"{', '.join(silent)}; see the site's own log", silent)
            weights = {name: weights[name] + change[name] for name in weights}
        return weights
