"""The closed list of the private mode: everything of a site that leaves, and how far it depends on a patient.

Of what leaves a site in a study that claims an ε, three things depend on patients, each with an event that is charged:
(a) the discriminator's noised steps, through the generator trained against it, (b) the noised summary, (c) noised
statistics of audits. Whatever is in none of these lists is refused, so that a task added later is too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fl_components.guard.declaration import PUBLIC_SCALARS
from fl_components.networks.build import declared_shapes
from fl_components.study import Study
from fl_components.training.private.accounting import PureAnswer, SampledGaussian
from fl_components.training.private.blocks import BLOCKS
from fl_components.training.private.plan import PrivatePlan
from privacy_eval.site.private import private_names

ABOUT_NOBODY: Final[Mapping[str, frozenset[str]]] = {
    "summarise": frozenset({"simulated", "n_members", "canaries.commitment"}),
    "train_keys": frozenset({"key"}),
    "train": frozenset(PUBLIC_SCALARS),
    "train_reveal": frozenset({"seed"}),
    "audit_keys": frozenset({"key"}),
    "audit": frozenset({"n_members", "n_holdout", "audit_number", "canaries.T1", "canaries.T4", "canaries.inside",
                        "canaries.salt"}),
}
"""By task: numbers of patients, public in the relation that ε is of; keys and masks; canaries, who are no patients;
post-processing."""


def accounted(task: str, study: Study) -> frozenset[str]:
    """What of a task's answer depends on patients and is charged; empty for a task that may tell of nobody."""
    if task == "summarise":
        return frozenset(f"summary.{block.name}" for block in BLOCKS)
    if task == "train":
        return frozenset(declared_shapes(study))
    if task == "audit":
        return frozenset(private_names(study.audit.policy.private_family)) - ABOUT_NOBODY["audit"]
    return frozenset()


def charged_event(task: str, plan: PrivatePlan) -> SampledGaussian | PureAnswer | None:
    """The event that an answer to a task must have been charged as; None if it tells of nobody."""
    if task == "summarise":
        return plan.summary
    if task == "train" and plan.training_noise is not None:
        return plan.training(plan.steps_per_round)
    return plan.audit if task == "audit" else None


def unlisted(task: str, study: Study, names: Sequence[str]) -> str | None:
    """Why an answer is not on the list, in one line; None if it is, or the study claims no ε."""
    if not study.privacy.private:
        return None
    if task not in ABOUT_NOBODY:
        return f"task '{task}' is not on the private mode's list: what it would tell of patients is not accounted for"
    if strange := sorted(set(names) - ABOUT_NOBODY[task] - accounted(task, study)):
        return f"'{strange[0]}' is not on the private mode's list of what may leave"
    return None
