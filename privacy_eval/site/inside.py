"""What an audit finds that stays at the site: for the internal edition of the report, never in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from privacy_eval.statistics.ranks import Estimate


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
