"""What a release is worth, at the site: compared with the site's own subjects, and by segmenters trained and scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from nvflare.apis.signal import Signal

from fl_components.client.executor import scalar, stop_if
from fl_components.client.heartbeat import Heartbeat
from fl_components.client.images_sent import RELEASE, images_among, require_on_grid
from fl_components.client.open_site import OpenSite
from fl_components.client.received import Received, reach, require_reachable
from fl_components.client.training_seed import training_seed
from fl_components.client.update_executor import UpdateExecutor, agreed_length
from fl_components.cohort.subject import Subject
from fl_components.evaluation.arms import Arm, arm_of
from fl_components.evaluation.cohort import evaluation_cohort
from fl_components.evaluation.original import Original, read_originals
from fl_components.evaluation.rounds import ArmTrainer
from fl_components.evaluation.scores import Scores, score_subjects
from fl_components.evaluation.site_scores import score_scalars
from fl_components.evaluation.training_sets import synthetic_subjects
from fl_components.evaluation.worth import worth_scalars
from fl_components.guard.secure_sum import weights_among
from fl_components.networks.precision import choose_precision
from fl_components.networks.segmenter import build_segmenter
from fl_components.networks.weights import Weights, load_weights, weights_of
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import label_maps_of

_ARMS, _REALISM = 1, 2
"""First words after the site's own seed: of what arms draw, and of what the comparison draws."""


@dataclass
class Evidence:
    """What an evaluation is about, from its first question to its last; none of it is on disk.

    Attributes:
        members: trained on.
        test: scored, and never trained on.
        originals: their segmentations on their scans' own voxels, where the study wants these scored.
        synthetic: the released volumes, to train on.
        scores: of the test subjects, by arm.
    """

    members: list[Subject]
    test: list[Subject]
    originals: list[Original | None]
    synthetic: list[Subject]
    scores: dict[Arm, Scores] = field(default_factory=dict)


class EvaluateExecutor(UpdateExecutor):
    """Answers "evaluate_release" first, then "segment" and "segment_scores" arm by arm, and what masks need."""

    def __init__(self, study_hash: str) -> None:
        super().__init__(study_hash)
        self._evidence: Evidence | None = None
        self._trainer: ArmTrainer | None = None
        self._last: Received | None = None

    def tasks(self) -> tuple[str, ...]:
        """See the base class."""
        return "evaluate_release", "train_keys", "segment", "train_reveal", "segment_scores"

    def work(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
             heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """See the base class."""
        def on_step(done: int) -> None:
            stop_if(abort_signal)
            heartbeat.step(done)

        if (task == "evaluate_release") != (self._evidence is None):
            when = "twice" if self._evidence else "before it sent the release"
            raise InputError(f"the server asks '{task}' {when} in one job; is its package another version?")
        if self._evidence is None:
            heartbeat.begin(task, round_number, 1)
            fields = self._compare(data, opened)
            heartbeat.end()
            return fields
        arm, within = arm_of(opened.study, round_number)
        trainer = self._trainer_of(arm, self._evidence, opened)
        weights = weights_among(data)
        if task == "segment_scores" and within + 1 < opened.study.evaluation.rounds:
            raise InputError(f"the server asks for scores after round {within + 1} of an arm, which has "
                             f"{opened.study.evaluation.rounds}; only a whole training is scored")
        self._accept(Received(within + (task == "segment_scores"), weights), trainer)
        if task == "segment":
            heartbeat.begin(task, round_number, opened.study.evaluation.steps)
            self.mask_with(data, round_number, opened)
            fields = agreed_length(trainer.train(weights, within, on_step), task, opened.study)
        else:
            heartbeat.begin(task, round_number, len(self._evidence.test))
            fields = self._score(self._evidence, trainer, weights, opened)
        heartbeat.end(precision=trainer.precision.name)
        return fields

    def _compare(self, data: Mapping[str, np.ndarray], opened: OpenSite) -> dict[str, np.ndarray]:
        """Load everybody, and say how the release compares with subjects that nobody was trained on."""
        site, study = opened
        cohort = evaluation_cohort(site, study)
        release = images_among(data, RELEASE)
        require_on_grid(release, study.grid, "the server's release")
        members, unseen, test = (list(cohort.subjects(part)) for part in ("members", "holdout", "test"))
        originals = read_originals(site, test, study.grid) if study.evaluation.original_voxels else []
        volumes = zip(release.images.astype(np.float32), label_maps_of(release), strict=True)
        synthetic = synthetic_subjects(list(volumes))
        self._evidence = Evidence(members, test, originals, synthetic)
        scalars = worth_scalars([*unseen, *test], synthetic, study.grid, site.policy.minimum_subjects,
                                np.random.default_rng([training_seed(site, study), _REALISM]))
        return {"n_members": scalar(len(members)), **{name: scalar(value) for name, value in scalars.items()}}

    def _trainer_of(self, arm: Arm, evidence: Evidence, opened: OpenSite) -> ArmTrainer:
        if self._trainer is None or self._trainer.arm != arm:
            seed = np.random.default_rng([training_seed(opened.site, opened.study), _ARMS, arm.seed]).integers(2**32)
            self._trainer, self._last = ArmTrainer(
                opened.study, arm, evidence.members, evidence.synthetic, int(seed),
                choose_precision(opened.study.training.precision)), None
        return self._trainer

    def _accept(self, found: Received, trainer: ArmTrainer) -> None:
        """Refuse weights that honest rounds do not lead to, as in the training of the generator."""
        start = weights_of(build_segmenter(trainer.arm.segmenter, trainer.arm.seed))
        require_reachable(found, start, self._last, reach(trainer.study, "segment"))
        self._last = found

    def _score(self, evidence: Evidence, trainer: ArmTrainer, weights: Weights,
               opened: OpenSite) -> dict[str, np.ndarray]:
        """Means over the test subjects of this arm, and of its paired differences to the arm on real subjects."""
        study, arm, scores = opened.study, trainer.arm, evidence.scores
        if arm in scores:
            raise InputError(f"the server asks twice for scores of '{arm.trained_on}' with seed {arm.seed}; every arm "
                             "is scored once")
        network = load_weights(build_segmenter(arm.segmenter, arm.seed), weights).eval()
        scores[arm] = score_subjects(trainer.precision.place(network), evidence.test, study.grid, trainer.precision,
                                     evidence.originals)
        seeds = study.evaluation.seeds[:study.evaluation.seeds.index(arm.seed) + 1]
        ours = [replace(arm, seed=seed) for seed in seeds]
        against = [one.reference for one in ours if one.reference != one]
        if missing := [one for one in (*ours, *against) if one not in scores]:
            raise InputError(f"the server asks for scores of '{arm.trained_on}' before those of "
                             f"'{missing[0].trained_on}' with seed {missing[0].seed}; is its package another version?")
        told = score_scalars([scores[one] for one in ours], [scores[one] for one in against],
                             opened.site.policy.minimum_test_subjects)
        return {name: scalar(value) for name, value in told.items()}
