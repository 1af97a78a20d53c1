"""What the job "evaluate" may send: statistics over a site's test and holdout subjects, and updates of segmenters.

Every statistic has a number of subjects beside it, 0 where the site abstains; its guard holds the others to the site's
policy: `minimum_subjects` for what is over holdout and test, `minimum_test_subjects` for scores of segmenters.
"""

from __future__ import annotations

from fl_components.guard.fields import SCALAR, Declaration, Field
from fl_components.study import Study


def is_number(name: str) -> bool:
    """Whether a field is a number of the site's subjects outside training that a statistic is over."""
    return name.endswith(".n_real")


def is_test_number(name: str) -> bool:
    """Whether a field is a number of test subjects that a mean of scores is over."""
    return name.endswith(".n")


def worth_fields() -> Declaration:
    """Of "evaluate_release": numbers of subjects, realism, and how sampled anatomies compare with the site's own."""
    from fl_components.evaluation.worth import worth_names  # torch, for evaluations alone; so below

    return {"n_members": SCALAR, **dict.fromkeys(worth_names(), SCALAR)}


def score_fields() -> Declaration:
    """Of "segment_scores": mean, standard deviation and number of test subjects, by figure and region, of the scores
    and of their paired differences to the arm of real subjects. Nothing of a single subject."""
    from fl_components.evaluation.site_scores import score_names

    return dict.fromkeys(score_names(), SCALAR)


def segmenter_fields(study: Study, round_number: int) -> Declaration:
    """Of "segment": the update of the round's segmenter, tensor by tensor, and nothing beside it."""
    from fl_components.evaluation.arms import arm_of
    from fl_components.networks.segmenter import build_segmenter

    arm, _ = arm_of(study, round_number)
    network = build_segmenter(arm.segmenter, arm.seed)
    return {name: Field(tuple(tensor.shape), "float32") for name, tensor in network.state_dict().items()}
