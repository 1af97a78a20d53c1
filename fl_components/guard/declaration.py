"""What each task may send: every name, shape and type, declared in installed code. Nothing else leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from fl_components.guard.evaluation_fields import score_fields, segmenter_fields, worth_fields
from fl_components.guard.fields import SCALAR, Declaration, Field
from fl_components.guard.secure_sum import KEY_BYTES, LEAST_SITES
from fl_components.study import Study
from fl_components.training.private.blocks import BLOCKS
from fl_components.vocabulary import N_TISSUES, SEQUENCES
from privacy_eval.attacks.coins import SALT_BYTES
from privacy_eval.battery import Setting
from privacy_eval.site.answer import n_counts, scalar_names
from privacy_eval.site.private import private_names

Task = Literal["summarise", "train_keys", "train", "train_reveal", "audit_keys", "audit",
               "evaluate_release", "segment", "segment_scores"]

EVALUATION: Final[tuple[Task, ...]] = ("evaluate_release", "segment", "segment_scores")
"""Tasks of the job "evaluate": a site allows them by name, and a study that claims an ε has none of them."""

TRAINING_SCALARS: Final = ("loss.l1", "loss.adversarial", "loss.discriminator")
"""Means over one task's steps: what the training curves are drawn from."""

PUBLIC_SCALARS: Final = ("loss.adversarial", "loss.public")
"""The same in a study that claims an ε: of public images alone, as the noised discriminator scores them."""

UPDATES: Final = ("train", "segment")
"""Tasks that are answered with an update of weights."""

CURVES: Final = frozenset({*TRAINING_SCALARS, *PUBLIC_SCALARS})
"""Of either kind of study."""

CANARY_FIELDS: Final[Mapping[str, Literal["float64", "uint8"]]] = {
    "canaries.T1": "float64", "canaries.T4": "float64", "canaries.inside": "uint8"}
"""One value a canary: its scores in T1 and T4, and its coin."""

CERTIFICATE_BYTES: Final = 4096
SIGNATURE_BYTES: Final = 512
"""Room for a site's certificate (PEM, about 1.1 kB in NVFlare's kits) and for a signature (RSA of up to 4096 bits)."""


def declare(task: Task, study: Study, round_number: int = 0) -> Declaration:
    """The complete list of what a site answers to a task.

    - summarise: mean and spread of the members' contrast, the count of members a tissue was present in, and whether
      the site's subjects are simulated;
    - train: the generator's update, tensor by tensor, and the mean losses of the task; with the study's
      `secure_aggregation`, all of it as whole numbers under masks that cancel in the sum over sites;
    - train_keys, audit_keys: a public key for the masks, the site's certificate and its signature of the key;
    - train_reveal: the seed of the site's own mask of a round, once the server holds everybody's answer;
    - audit: n, U statistics and deviates, as `privacy_eval.site.answer` names them, and counts: under masks that cancel
      in the sum over sites, or, with fewer sites than that takes, suppressed where they are small;
    - evaluate_release, segment, segment_scores: see `fl_components.guard.evaluation_fields`; the segmenter is the one
      of the round's arm, and its update leaves as a generator's does.

    A study that claims an ε declares for the audit n, the audit's number and the noised statistics of
    `privacy_eval.site.private` alone. One whose training claims one (`[privacy]`) declares noised sums for the summary
    (`fl_components.training.private.blocks`), and curves of public images alone. A study that plants canaries adds the
    commitment to the summary, and to the audit the canaries' scores, coins and salt: no person is behind them.

    Args:
        task: what is answered.
        study: what was agreed on.
        round_number: counted from 0; of "segment", whose rounds can be of different segmenters.
    """
    canaries = study.canaries.per_site
    if task in UPDATES:
        plain = update_fields(task, study, round_number)
        return {name: Field(field.shape, "uint32") for name, field in plain.items()} if masked(task, study) else plain
    if task in EVALUATION:
        return worth_fields() if task == "evaluate_release" else score_fields()
    if task == "audit":
        opened = {name: Field((canaries,), dtype) for name, dtype in CANARY_FIELDS.items()} if canaries else {}
        salt = {"canaries.salt": Field((SALT_BYTES,), "uint8")} if canaries else {}
        counts = {"counts": Field((n_counts(audit_setting(study)),), "uint64")} if audit_setting(study).summed else {}
        return {**dict.fromkeys(_audit_scalars(study), SCALAR), **counts, **opened, **salt}
    if task in ("train_keys", "audit_keys"):
        return {"key": Field((KEY_BYTES + CERTIFICATE_BYTES + SIGNATURE_BYTES,), "uint8")}
    if task == "train_reveal":
        return {"seed": Field((KEY_BYTES,), "uint8")}
    commitment = {"canaries.commitment": Field((32,), "uint8")} if canaries else {}
    if study.privacy.private:
        return {**{f"summary.{block.name}": Field((block.size,), "float64") for block in BLOCKS},
                "n_members": SCALAR, "simulated": SCALAR, **commitment}
    table = Field((N_TISSUES, len(SEQUENCES)), "float32")
    return {"contrast.mean": table, "contrast.spread": table, "contrast.count": Field((N_TISSUES,), "float32"),
            "n_members": SCALAR, "simulated": SCALAR, **commitment}


def declarations(task: Task, study: Study) -> list[Declaration]:
    """`declare` of every round, each once: more than one where the study has several segmenters.

    Which of them an answer must match is in the ledger's record of it.
    """
    if task != "segment":
        return [declare(task, study)]
    from fl_components.evaluation.arms import first_rounds

    return [declare(task, study, round_number) for round_number in first_rounds(study)]


def update_fields(task: str, study: Study, round_number: int = 0) -> Declaration:
    """What a round of training yields at a site, of generator or segmenter: it leaves as it is, or under masks."""
    if task == "segment":
        return segmenter_fields(study, round_number)
    return training_fields(study)


def update_bound(task: str, study: Study) -> float:
    """The largest L2 norm that the study lets an update have."""
    return study.evaluation.update_norm_bound if task == "segment" else study.federation.update_norm_bound


def clip_norm(task: str, study: Study) -> float | None:
    """What the server scales longer updates down to: set for the generator's, whose lengths are not a segmenter's."""
    return study.federation.clip_norm if task == "train" else None


def training_fields(study: Study) -> Declaration:
    """What a round of training the generator yields at a site."""
    from fl_components.networks.build import declared_shapes  # a site's own process, which trains nothing, goes without

    tensors = {name: Field(shape, "float32") for name, shape in declared_shapes(study).items()}
    return {**tensors, **dict.fromkeys(training_scalars(study), SCALAR)}


def training_scalars(study: Study) -> tuple[str, ...]:
    """Names of a round's mean losses."""
    return PUBLIC_SCALARS if study.privacy.private else TRAINING_SCALARS


def masked(task: str, study: Study) -> bool:
    """Whether the whole answer leaves under masks (of the audit's, its counts alone do)."""
    return task in UPDATES and study.federation.secure_aggregation


def audit_setting(study: Study) -> Setting:
    """What an audit in the federation has at hand: every space, public references, the generator, and sums of counts.

    A study that claims an ε sends no counts, and too few sites cannot sum them.
    """
    return Setting(summed=study.audit.epsilon is None and len(study.sites) >= LEAST_SITES)


def _audit_scalars(study: Study) -> tuple[str, ...]:
    if study.audit.epsilon is None:
        return scalar_names(audit_setting(study))
    return private_names(study.audit.policy.private_family)


def refusal(declaration: Declaration, fields: Mapping[str, np.ndarray]) -> str | None:
    """Why these fields do not match their declaration, in one line; None if they do."""
    if unknown := sorted(set(fields) - set(declaration)):
        return f"'{unknown[0]}' is not declared ({len(unknown)} such)"
    if missing := sorted(set(declaration) - set(fields)):
        return f"'{missing[0]}' is missing ({len(missing)} such)"
    for name, field in declaration.items():
        value = fields[name]
        if not isinstance(value, np.ndarray):
            return f"'{name}' is {type(value).__name__}, expected an array"
        if value.dtype != field.dtype:
            return f"'{name}' has type {value.dtype}, expected {field.dtype}"
        if value.shape != field.shape:
            return f"'{name}' has shape {value.shape}, expected {field.shape}"
        if not np.isfinite(value).all():
            return f"'{name}' holds NaN or infinity"
    return None


def tensor_norm(fields: Mapping[str, np.ndarray]) -> float:
    """L2 norm over all tensors of real numbers; scalars, keys and masked values do not count."""
    return math.sqrt(sum(float(np.square(value, dtype=np.float64).sum()) for value in fields.values()
                         if value.ndim and value.dtype.kind == "f"))


def clipped(update: Mapping[str, np.ndarray], bound: float) -> dict[str, np.ndarray]:
    """The update scaled so that its L2 norm over all tensors is at most `bound`; unchanged if it is."""
    norm = tensor_norm(update)
    if norm <= bound:
        return dict(update)
    return {name: value * np.float32(bound / norm) for name, value in update.items()}
