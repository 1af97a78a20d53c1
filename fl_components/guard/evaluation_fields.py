"""What the job "evaluate" may send: statistics over a site's test and holdout subjects, and updates of segmenters.

Every statistic has its own number of subjects, a field that ends in ".n": 0 where the site abstains, and its guard
holds it to the site's `minimum_test_subjects` otherwise.
"""

from __future__ import annotations

from typing import Final

from fl_components.guard.declaration import Declaration, Field
from fl_components.study import Study

NUMBER: Final = ".n"
"""How the names of numbers of subjects end."""

_SCALAR: Final = Field((), "float64")


def is_test_number(name: str) -> bool:
    """Whether a field is a number of test or holdout subjects that a statistic is over."""
    return name.endswith(NUMBER)


def worth_fields() -> Declaration:
    """Of "evaluate_release": numbers of subjects, realism, and how sampled anatomies compare with the site's own."""
    from fl_components.evaluation.worth import worth_names

    return {"n_members": _SCALAR, **dict.fromkeys(worth_names(), _SCALAR)}


def score_fields() -> Declaration:
    """Of "segment_scores": mean, standard deviation and number of test subjects, by figure and region, of the scores
    and of their paired differences to the arm of real subjects. Nothing of a single subject."""
    from fl_components.evaluation.site_scores import score_names

    return dict.fromkeys(score_names(), _SCALAR)


def segmenter_fields(study: Study, round_number: int) -> Declaration:
    """Of "segment": the update of the round's segmenter, tensor by tensor, and nothing beside it."""
    from fl_components.evaluation.arms import arm_of
    from fl_components.networks.segmenter import build_segmenter

    arm, _ = arm_of(study, round_number)
    network = build_segmenter(arm.segmenter, arm.seed)
    return {name: Field(tuple(tensor.shape), "float32") for name, tensor in network.state_dict().items()}
