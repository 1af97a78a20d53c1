"""Every attack of the battery on one release, by one site's patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from privacy_eval.attacks.alarms import alarms
from privacy_eval.attacks.attributes import infer
from privacy_eval.attacks.copying import copying
from privacy_eval.attacks.density import domias_scores, dpi_scores
from privacy_eval.attacks.nearest import calibrated_scores, nearest_release_scores
from privacy_eval.attacks.reconstruction import reconstruction_scores
from privacy_eval.attacks.replicas import count_replicas, replica_threshold
from privacy_eval.battery import RATES, Setting, isolated
from privacy_eval.site.evidence import GeneratorErrors, PairedErrors, SiteEvidence
from privacy_eval.spaces.images import ImageSet, label_maps_of, score_of_patients
from privacy_eval.spaces.nearest import distance_matrix, nearest_of_patients
from privacy_eval.spaces.space import Space
from privacy_eval.statistics.counts import suppress
from privacy_eval.statistics.ranks import mann_whitney_u
from privacy_eval.statistics.rates import rate_counts

Groups = tuple[np.ndarray, np.ndarray]
"""One number a patient: of the members, of the holdout."""

Named = Iterator[tuple[str, tuple[float, ...]]]
"""Measure ids with what leaves for them."""


@dataclass(frozen=True)
class Target:
    """What is attacked: a release in every space, and a generator by its errors.

    Attributes:
        vectors: (m, features) by space.
        labels: the label maps, (m, *grid), or None.
        reconstruction: the generator's errors by contrast; empty where there is none.
    """

    vectors: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    reconstruction: Mapping[str, PairedErrors]


class Attacker:
    """A site's patients in every space, and all that does not depend on the release.

    Args:
        setting: which measures are taken.
        evidence: the patients, as they are compared (registered).
        members, holdout: their vectors by space.
        reference: public vectors by space, or None.
        minimum_count: counts from 1 below it are suppressed.
        rng: draws T3's halves, cells and permutations.
    """

    def __init__(self, setting: Setting, evidence: SiteEvidence, members: Mapping[str, np.ndarray],
                 holdout: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray] | None, minimum_count: int,
                 rng: np.random.Generator) -> None:
        self.setting, self.evidence, self.reference = setting, evidence, reference
        self.members, self.holdout = members, holdout
        self.minimum_count, self.rng = minimum_count, rng
        self.first = setting.image_spaces[0]
        self.thresholds = {space: replica_threshold(nearest_of_patients(holdout[space], evidence.holdout.owners,
                                                                        members[space])) for space in setting.spaces}
        self.to_reference = {} if reference is None else {
            space: self.distances(space, reference[space]) for space in setting.image_spaces}
        real = np.concatenate([members[self.first], holdout[self.first]])
        self.real, self.real_to_real = real, distance_matrix(real, real)
        self.is_member = np.arange(len(real)) < len(evidence.members)
        self.owners = np.concatenate([evidence.members.owners, evidence.holdout.owners
                                      + evidence.members.owners.max() + 1])

    def distances(self, space: str, targets: np.ndarray) -> Groups:
        """Each patient's distance to the nearest target in a space."""
        return (nearest_of_patients(self.members[space], self.evidence.members.owners, targets),
                nearest_of_patients(self.holdout[space], self.evidence.holdout.owners, targets))

    def attack(self, target: Target) -> dict[str, tuple[float, ...]]:
        """All measures of the setting."""
        near = {space: self.distances(space, target.vectors[space]) for space in self.setting.spaces}
        ease = {name: errors.predictability for name, errors in self.evidence.errors.items()}
        painted = {name: _of_both(reconstruction_scores, made, ease[name])
                   for name, made in target.reconstruction.items()}
        nearest = {space: (nearest_release_scores(m), nearest_release_scores(h)) for space, (m, h) in near.items()}
        calibrated = {space: (calibrated_scores(near[space][0], ordinary[0]), calibrated_scores(near[space][1],
                                                                                               ordinary[1]))
                      for space, ordinary in self.to_reference.items()}
        ranks = {f"T1.{space}": scores for space, scores in nearest.items()}
        ranks |= {f"T2.{space}": scores for space, scores in calibrated.items()} | self._densities(target)
        ranks |= {f"T4.{contrast}": scores for contrast, scores in painted.items()}
        ranks |= self._of_isolated(nearest, calibrated, painted)
        values: dict[str, tuple[float, ...]] = {name: (mann_whitney_u(*scores),) for name, scores in ranks.items()}
        values |= dict(self._rates(calibrated, painted))
        values |= {f"T6.{space}": self._coded(count_replicas(m, self.thresholds[space]),
                                              count_replicas(h, self.thresholds[space]))
                   for space, (m, h) in near.items()}
        values |= dict(self._copying_and_alarms(target))
        if self.setting.labels and target.labels is not None:
            values |= dict(self._attributes(target.vectors["anatomy"], target.labels))
        return values

    def _densities(self, target: Target) -> dict[str, Groups]:
        """T2 by densities, in the space of fewest features."""
        if self.reference is None:
            return {}
        space = "coarse" if "coarse" in self.setting.spaces else self.first
        known = target.vectors[space], self.reference[space]
        return {f"T2.{name}": (score_of_patients(score(self.members[space], *known), self.evidence.members.owners),
                               score_of_patients(score(self.holdout[space], *known), self.evidence.holdout.owners))
                for name, score in (("domias", domias_scores), ("dpi", dpi_scores))}

    def _rates(self, calibrated: Mapping[str, Groups], painted: Mapping[str, Groups]) -> Named:
        """T3: the calibrated score for who has images, the reconstruction for who has the generator."""
        scores = {"images": calibrated[self.first]} if calibrated else {}
        scores |= {"generator": painted["exact"]} if painted else {}
        for attack, groups in scores.items():
            for end, rate in RATES.items():
                counts = rate_counts(*groups, rate, self.rng)
                yield f"T3.{attack}{end}", self._coded(counts.true_positives, counts.false_positives)

    def _of_isolated(self, nearest: Mapping[str, Groups], calibrated: Mapping[str, Groups],
                     painted: Mapping[str, Groups]) -> dict[str, Groups]:
        """T9: the patients farthest from every public image, by T1, T2 and T4."""
        if not calibrated:
            return {}
        odd = [np.argsort(-ordinary, kind="stable")[:isolated(len(ordinary))]
               for ordinary in self.to_reference[self.first]]
        scores = {"T1": nearest[self.first], "T2": calibrated[self.first]}
        scores |= {"T4": painted["exact"]} if painted else {}
        return {f"T9.{test}": (groups[0][odd[0]], groups[1][odd[1]]) for test, groups in scores.items()}

    def _copying_and_alarms(self, target: Target) -> Named:
        """T7 and T8 as standard normal deviates of their permutation p-values."""
        synthetic = target.vectors[self.first]
        to_real, to_others = distance_matrix(synthetic, self.real), distance_matrix(synthetic, synthetic)
        np.fill_diagonal(to_others, np.inf)
        found = copying(self.real, synthetic, to_real, self.real_to_real, self.is_member, self.owners, self.rng)
        yield "T7.all", (_deviate(found.p_value),)
        yield "T7.cell", (_deviate(found.cell_p_value),)
        raised = alarms(to_real, self.real_to_real, to_others.min(axis=1), self.is_member, self.owners, self.rng)
        for name in ("nnaa", "dcr", "authenticity"):
            yield f"T8.{name}", (_deviate(getattr(raised, name).p_value),)

    def _attributes(self, synthetic: np.ndarray, labels: np.ndarray) -> Named:
        """T11: the attacker knows a patient's tissues and reads the tumour off the nearest released anatomy."""
        groups = (self.members, self.evidence.members), (self.holdout, self.evidence.holdout)
        members, holdout = (infer(vectors["anatomy"], label_maps_of(group), synthetic, labels,
                                  self.evidence.spacing_mm, group.owners) for vectors, group in groups)
        for attribute in members:
            yield f"T11.{attribute}", self._coded(int(members[attribute].sum()), int(holdout[attribute].sum()))

    def _coded(self, members: int, holdout: int) -> tuple[float, float]:
        return suppress(members, self.minimum_count), suppress(holdout, self.minimum_count)


def map_all(spaces: Sequence[Space], group: ImageSet) -> dict[str, np.ndarray]:
    """A group in every space."""
    return {space.name: space.map(group) for space in spaces}


def audited(errors: Mapping[str, GeneratorErrors]) -> dict[str, PairedErrors]:
    """The audited generator's errors by contrast."""
    return {contrast: of_contrast.reconstruction for contrast, of_contrast in errors.items()}


def _of_both(score: Callable[[np.ndarray, np.ndarray], np.ndarray], made: PairedErrors, easy: PairedErrors) -> Groups:
    return score(made.members, easy.members), score(made.holdout, easy.holdout)


def _deviate(p_value: float) -> float:
    """The standard normal deviate of a permutation p-value; a p of 1 counts as just below."""
    return float(norm.isf(min(p_value, 1 - 1e-3)))
