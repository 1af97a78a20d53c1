"""The audit at the site: the release is attacked with the site's own members and holdout; statistics alone leave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from nvflare.apis.signal import Signal

from fl_components.client.audit_findings import write_findings, write_statistics
from fl_components.client.audit_record import AuditRecord, digest_of
from fl_components.client.executor import SiteExecutor, stop_if
from fl_components.client.generator_errors import discriminator_scores, generator_errors, generator_weights
from fl_components.client.heartbeat import Heartbeat
from fl_components.client.images_sent import RELEASE, images_among, images_of, images_sent
from fl_components.client.open_site import OpenSite
from fl_components.cohort.canaries import Canaries, plant_canaries
from fl_components.cohort.cohort import Cohort
from fl_components.cohort.split import Part
from fl_components.guard.declaration import audit_setting, declare
from fl_components.guard.secure_sum import MaskKey, keys_among
from fl_components.networks.embedding import EmbeddingSpace
from fl_components.study import Study
from fl_components.training.states import latest_state
from privacy_eval.attacks.nearest import nearest_release_scores
from privacy_eval.attacks.reconstruction import reconstruction_scores
from privacy_eval.site.answer import SiteStatistics, take_counts
from privacy_eval.site.audit import AuditTerms, audit_site
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.site.private import PrivateStatistics
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.voxels import VoxelSpace

REFERENCE: Final = "reference"
GENERATOR: Final = "generator."
"""Names of what the server sends beside the release: public volumes, and the generator's weights."""

_PARTS: Final[tuple[Part, ...]] = ("members", "holdout", "test")
_STAGES: Final = 8
"""More than the stages the attack reports."""


class AuditExecutor(SiteExecutor):
    """Answers "audit_keys" and "audit"."""

    def __init__(self, study_hash: str) -> None:
        super().__init__(study_hash)
        self._key = MaskKey()

    def tasks(self) -> tuple[str, ...]:
        """See the base class."""
        return "audit_keys", "audit"

    def answer(self, task: str, round_number: int, data: Mapping[str, np.ndarray], opened: OpenSite,
               heartbeat: Heartbeat, abort_signal: Signal) -> dict[str, np.ndarray]:
        """See the base class. A question that was asked before gets the stored answer."""
        if task == "audit_keys":
            heartbeat.begin(task, round_number, 1)
            heartbeat.end()
            return {"key": self.signer.signed(self._key.public)}
        site, study = opened
        record, question = AuditRecord(site.state, study), digest_of(data, study)
        answer = record.stored(question)
        if answer is None:
            answer = self._audit(data, opened, record, question, heartbeat, abort_signal, round_number)
            record.keep(question, answer)
        else:
            heartbeat.begin(task, round_number, 1)
        heartbeat.end()
        declared = declare("audit", study)
        counts = answer.pop("counts", None)
        fields = {name: np.asarray(value, declared[name].dtype) for name, value in answer.items()}
        if counts is not None:  # kept as they are, masked anew each time they leave
            plain = np.atleast_1d(counts).astype(np.uint64)
            fields["counts"] = self._key.mask(plain, site.name, self.signer.genuine(keys_among(data)), question)
        return fields

    def _audit(self, data: Mapping[str, np.ndarray], opened: OpenSite, record: AuditRecord, question: str,
               heartbeat: Heartbeat, abort_signal: Signal, round_number: int) -> dict[str, float | list[float]]:
        site, study = opened
        cohort = Cohort.load(site, study)
        members, holdout, unseen = (list(cohort.subjects(part)) for part in _PARTS)
        rendered = len(members) + len(holdout)
        heartbeat.begin("audit", round_number, 2 * rendered)  # the attack takes about as long as querying
        stages = iter(rendered + rendered * k // _STAGES for k in range(1, _STAGES))

        def on_subject(done: int) -> None:
            stop_if(abort_signal)
            heartbeat.step(done)

        errors = generator_errors(study, generator_weights(data, GENERATOR), members, holdout, on_subject)
        evidence = SiteEvidence(
            images_of(members), images_of(holdout), images_of(unseen), errors, (study.grid.spacing_mm,) * 3,
            discriminator_scores(study, latest_state(site.state), members, holdout))
        minimum = max(site.policy.minimum_subjects, study.audit.minimum_subjects)
        told = study.audit.epsilon is None and not audit_setting(study).summed  # else no count of this site is seen
        least = site.policy.minimum_count if told else 1
        terms = AuditTerms(site.name, minimum, least, record.next_number)
        release = images_among(data, RELEASE)
        found = audit_site(evidence, release, images_among(data, REFERENCE), [EmbeddingSpace.shipped(study.grid)],
                           np.random.default_rng(), terms, lambda stage: on_subject(next(stages)))
        if found.inside is not None:
            write_findings(found.inside, members, holdout, release, record.folder(question))
        canaries = plant_canaries(site, study, len(members)) if study.canaries.per_site else None
        opened_coins = {} if canaries is None else open_canaries(study, data, canaries)
        return {**_leaving(found.answer, study, record.folder(question)), **opened_coins}


def _leaving(answer: SiteStatistics, study: Study, folder: Path) -> dict[str, float | list[float]]:
    """What leaves: all of the answer, its counts apart where they are summed, or, in a study that claims an ε, a few
    statistics with noise, drawn here.

    There the whole answer is written beside the findings, for the site's own edition; none of an abstention.
    """
    if audit_setting(study).summed:
        told, counts = take_counts(answer)
        return {**told.to_scalars(), "counts": [float(count) for count in counts]}
    if study.audit.epsilon is None:
        return {**answer.to_scalars()}
    if not answer.abstained:
        write_statistics(answer, folder)
    family = study.audit.policy.private_family
    return {**PrivateStatistics.noised(answer, family, study.audit.epsilon).to_scalars(family)}


def open_canaries(study: Study, data: Mapping[str, np.ndarray], canaries: Canaries) -> dict[str, list[float]]:
    """The canaries' scores by T1 and T4, computed from what the server sent alone, with the coins and their salt."""
    subjects = canaries.subjects
    errors = generator_errors(study, generator_weights(data, GENERATOR), subjects, (), lambda done: None)["exact"]
    painted = reconstruction_scores(errors.reconstruction.members, errors.predictability.members)
    space = VoxelSpace.fit(images_among(data, REFERENCE))
    release = space.map(images_among(data, RELEASE))
    near = nearest_release_scores(nearest_distance(space.map(images_of(subjects)), release))
    return {"canaries.T1": near.tolist(), "canaries.T4": painted.tolist(),
            "canaries.inside": [float(inside) for inside in canaries.coins.inside],
            "canaries.salt": [float(byte) for byte in canaries.coins.salt]}


def question_of(release: ImageSet, reference: ImageSet, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of the audit's task."""
    return {**{GENERATOR + name: value for name, value in weights.items()}, **images_sent(RELEASE, release),
            **images_sent(REFERENCE, reference)}

