"""What an audit finds that stays at the site: for the internal edition of the report, never in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from privacy_eval.site.attacker import Attacker
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.spaces.images import ImageSet
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.registration import nearest_pairs
from privacy_eval.statistics.ranks import Estimate, stratified_auc, u_statistic


@dataclass(frozen=True)
class Pair:
    """A real image and the synthetic one nearest to it.

    Attributes:
        group: "members" or "holdout".
        real: row in that group.
        synthetic: row in the release.
        before: normalised cross-correlation of the two as they are, in [−1, 1].
        after: the same after registering the synthetic image to the real one.
    """

    group: str
    real: int
    synthetic: int
    before: float
    after: float


@dataclass(frozen=True)
class InsideFindings:
    """One site's own findings.

    Attributes:
        pairs: the five members, and the five holdout subjects, nearest to a synthetic image, each list nearest first.
        closest_people: the highest correlation, after registration, of a holdout subject with its nearest member
            among the five nearest such pairs: how alike two people can be.
        replicas: T6's hits, members' rows by feature space.
        insider: T5: AUC of the site's own discriminator telling its members from its holdout; None without one.
    """

    pairs: tuple[Pair, ...]
    closest_people: float
    replicas: Mapping[str, tuple[int, ...]]
    insider: Estimate | None

    @property
    def to_review(self) -> tuple[Pair, ...]:
        """Members' pairs more alike than any two people: a person must look at them."""
        return tuple(pair for pair in self.pairs if pair.group == "members" and pair.after > self.closest_people)


def look_inside(evidence: SiteEvidence, release: ImageSet, attacker: Attacker,
                synthetic: Mapping[str, np.ndarray]) -> InsideFindings:
    """The nearest pairs, registered to each other, T6's hits, and T5 where there is a discriminator.

    Args:
        evidence: the site's patients, registered to the template.
        release: the synthetic images, registered likewise.
        attacker: the site's patients in every space.
        synthetic: the release in every space.
    """
    space = attacker.first
    members, holdout = attacker.members[space], attacker.holdout[space]
    groups = ("members", members, evidence.members), ("holdout", holdout, evidence.holdout)
    pairs = [Pair(name, found.member, found.synthetic, found.registration.before, found.registration.after)
             for name, vectors, group in groups
             for found in nearest_pairs(vectors, synthetic[space], group, release)]
    people = nearest_pairs(holdout, members, evidence.holdout, evidence.members)
    replicas = {name: tuple(int(row) for row in np.flatnonzero(
        nearest_distance(attacker.members[name], synthetic[name]) < threshold))
        for name, threshold in attacker.thresholds.items()}
    scores = evidence.discriminator
    insider = None if scores is None else stratified_auc([u_statistic(scores.members, scores.holdout)])
    return InsideFindings(tuple(pairs), max(found.registration.after for found in people), replicas, insider)
