"""The audit inside one site: it sees members and holdout, and hands back `SiteStatistics` only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from privacy_eval.attacks import blind, nearest, reconstruction, replicas
from privacy_eval.errors import InputError
from privacy_eval.site import controls
from privacy_eval.site.answer import CONDITIONS, Condition, ConditionStatistics, ReplicaCounts, SiteStatistics
from privacy_eval.spaces.nearest import nearest_distance
from privacy_eval.spaces.voxels import FeatureSpace
from privacy_eval.statistics.counts import suppress
from privacy_eval.statistics.ranks import mann_whitney_u


@dataclass(frozen=True)
class PairedErrors:
    """One error a subject, in the order of the volumes: members of shape (n_m,), holdout of shape (n_h,)."""

    members: np.ndarray
    holdout: np.ndarray


@dataclass(frozen=True)
class GeneratorErrors:
    """What T4 needs: errors (mean absolute, same mask and units) of three ways to paint a subject.

    Attributes:
        reconstruction: the audited generator, given the subject's own anatomy and contrast.
        predictability: a lookup table that paints each tissue with the subject's own contrast.
        untrained: a generator that never saw any site's subject (public pre-training only, or none), given the
            same input. It is T4's negative control: a function of one subject, fixed before the split, so that
            members and holdout are exchangeable. (The lookup table itself cannot serve: its score is 0 for all.)
    """

    reconstruction: PairedErrors
    predictability: PairedErrors
    untrained: PairedErrors


@dataclass(frozen=True)
class SiteEvidence:
    """What a site holds against a release. It never leaves the site.

    Attributes:
        members: volumes trained on, (n_m, C, X, Y, Z) float32.
        holdout: volumes never trained on, (n_h, C, X, Y, Z).
        unseen: volumes of further subjects nobody trained on (the test part), (n_u, C, X, Y, Z): they make the
            negative control and are scored in no test.
        errors: what T4 needs; None where there is no generator to query, and then T4 is not run.
    """

    members: np.ndarray
    holdout: np.ndarray
    unseen: np.ndarray
    errors: GeneratorErrors | None = None

    def check(self) -> None:
        """Refuse evidence that does not fit together.

        Raises:
            InputError: naming the part, what was found and what was expected.
        """
        if len(self.unseen) == 0:
            raise InputError("evidence: no unseen subject; expected at least one for the negative control")
        for name in ("holdout", "unseen"):
            found, expected = getattr(self, name).shape[1:], self.members.shape[1:]
            if found != expected:
                raise InputError(f"evidence: {name} volumes have shape {found}; expected {expected} as the members'")
        if self.errors is not None:
            _check_errors(self.errors, len(self.members), len(self.holdout))


def audit_site(
    evidence: SiteEvidence,
    release: np.ndarray,
    reference: np.ndarray | None,
    rng: np.random.Generator,
    minimum_subjects: int = 20,
    minimum_count: int = 5,
    site: str = "site",
) -> SiteStatistics:
    """Attack the release and the two controls with one site's members and holdout.

    Args:
        evidence: the site's subjects and, if there is a generator, its errors on them.
        release: synthetic volumes, (n_s, C, X, Y, Z).
        reference: public simulated volumes, (n_r, C, X, Y, Z), for the feature space and T2; None: no T2, and
            the space is centred on the release.
        rng: draws the leaked half, the noise and V0's folds; it should be the site's own.
        minimum_subjects: below that many members or holdout subjects the site abstains.
        minimum_count: counts from 1 below it are suppressed.
        site: the site's name.

    Raises:
        InputError: if the volumes' shapes differ or there is nothing to compare with.
    """
    if min(len(evidence.members), len(evidence.holdout)) < minimum_subjects:
        return SiteStatistics.abstention(site, minimum_count)
    evidence.check()
    space = FeatureSpace.fit(release if reference is None else reference)
    attacker = _DistanceAttacker(space, evidence, reference, minimum_count)
    leaked = controls.leaked_members(len(evidence.members), rng)
    synthetic = space.map(release)
    copies = space.map(controls.noisy_copies(evidence.members, leaked, rng))
    others = space.map(controls.noisy_copies(evidence.unseen, np.arange(len(evidence.unseen)), rng))
    releases: dict[Condition, np.ndarray] = {
        "release": synthetic,
        "positive": np.concatenate([synthetic, copies]),
        "negative": others,
    }
    generators = _reconstruction_u(evidence.errors, leaked)
    return SiteStatistics(
        site=site,
        n_members=len(evidence.members),
        n_holdout=len(evidence.holdout),
        minimum_count=minimum_count,
        blind_u=attacker.blind_u(evidence, rng),
        conditions={name: attacker.attack(volumes, generators[name]) for name, volumes in releases.items()},
    )


class _DistanceAttacker:
    """Members and holdout in the feature space, and what does not depend on the release."""

    def __init__(
        self, space: FeatureSpace, evidence: SiteEvidence, reference: np.ndarray | None, minimum_count: int
    ) -> None:
        self.members, self.holdout = space.map(evidence.members), space.map(evidence.holdout)
        self.minimum_count = minimum_count
        self.threshold = replicas.replica_threshold(nearest_distance(self.holdout, self.members))
        self.to_reference = None if reference is None else self._distances(space.map(reference))

    def _distances(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return nearest_distance(self.members, targets), nearest_distance(self.holdout, targets)

    def attack(self, release: np.ndarray, generator_u: dict[str, float]) -> ConditionStatistics:
        """T1, T2 and T6 on a release in the feature space, beside the U of T4 if there is one."""
        members, holdout = self._distances(release)
        u = {"T1": mann_whitney_u(nearest.nearest_release_scores(members), nearest.nearest_release_scores(holdout))}
        if self.to_reference is not None:
            u["T2"] = mann_whitney_u(
                nearest.calibrated_scores(members, self.to_reference[0]),
                nearest.calibrated_scores(holdout, self.to_reference[1]),
            )
        counts = ReplicaCounts(
            suppress(replicas.count_replicas(members, self.threshold), self.minimum_count),
            suppress(replicas.count_replicas(holdout, self.threshold), self.minimum_count),
        )
        return ConditionStatistics(u | generator_u, counts)

    def blind_u(self, evidence: SiteEvidence, rng: np.random.Generator) -> float:
        """V0, which never sees a release."""
        features = blind.blind_features(
            np.concatenate([self.members, self.holdout]), [*evidence.members, *evidence.holdout]
        )
        return blind.blind_u(features[: len(self.members)], features[len(self.members) :], rng)


def _reconstruction_u(errors: GeneratorErrors | None, leaked: np.ndarray) -> dict[Condition, dict[str, float]]:
    """T4's U for the audited, the leaky and the untrained generator; nothing where there is no generator."""
    if errors is None:
        return {condition: {} for condition in CONDITIONS}
    audited = errors.reconstruction
    generators: dict[Condition, PairedErrors] = {
        "release": audited,
        "positive": PairedErrors(controls.blended_errors(audited.members, leaked), audited.holdout),
        "negative": errors.untrained,
    }
    easy = errors.predictability
    return {
        name: {
            "T4": mann_whitney_u(
                reconstruction.reconstruction_scores(generator.members, easy.members),
                reconstruction.reconstruction_scores(generator.holdout, easy.holdout),
            )
        }
        for name, generator in generators.items()
    }


def _check_errors(errors: GeneratorErrors, n_members: int, n_holdout: int) -> None:
    for name in ("reconstruction", "predictability", "untrained"):
        pair: PairedErrors = getattr(errors, name)
        if pair.members.shape != (n_members,) or pair.holdout.shape != (n_holdout,):
            raise InputError(
                f"evidence: {name} errors have shapes {pair.members.shape} and {pair.holdout.shape}; "
                f"expected ({n_members},) and ({n_holdout},), one a subject"
            )
        if not (np.isfinite(pair.members).all() and np.isfinite(pair.holdout).all()):
            raise InputError(f"evidence: {name} errors are not all finite; expected mean absolute errors, check them")
