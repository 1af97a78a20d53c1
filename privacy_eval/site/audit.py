"""The audit inside one site: it sees members and holdout, and hands back what may leave apart from what may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from privacy_eval.attacks import blind
from privacy_eval.battery import SPACES, Condition, Setting
from privacy_eval.site import controls
from privacy_eval.site.answer import SiteStatistics
from privacy_eval.site.attacker import Attacker, Target, audited, map_all
from privacy_eval.site.evidence import PairedErrors, SiteEvidence
from privacy_eval.site.inside import InsideFindings, look_inside
from privacy_eval.spaces.images import ImageSet, Picture, label_maps_of
from privacy_eval.spaces.masks import MaskSpace
from privacy_eval.spaces.registration import TemplateMoments, to_template
from privacy_eval.spaces.space import Space
from privacy_eval.spaces.voxels import COARSE_VOXELS, VoxelSpace

Progress = Callable[[str], None]
"""Called with what is being done; may raise to stop."""


@dataclass(frozen=True)
class SiteAudit:
    """One site's audit: the answer, which may leave, and the findings, which stay; no findings of an abstention."""

    answer: SiteStatistics
    inside: InsideFindings | None


@dataclass(frozen=True)
class AuditTerms:
    """A site's own conditions.

    Attributes:
        site: its name.
        minimum_subjects: below that many members or holdout patients the site abstains.
        minimum_count: counts from 1 below it are suppressed.
        audit_number: which audit of the study this is at the site, counted from 1.
        left_out: spaces not compared in, such as "tumour" where most patients have none.
    """

    site: str = "site"
    minimum_subjects: int = 20
    minimum_count: int = 5
    audit_number: int = 1
    left_out: tuple[str, ...] = ()


def audit_site(evidence: SiteEvidence, release: ImageSet, reference: ImageSet | None, learned: Sequence[Space],
               rng: np.random.Generator, terms: AuditTerms, progress: Progress = lambda stage: None) -> SiteAudit:
    """Attack the release and the two controls with one site's members and holdout.

    Args:
        evidence: the site's patients and, if there is a generator, its errors on them.
        release: synthetic images.
        reference: public simulated images: spaces are fitted on them, T2 and T9 need them. None: the spaces are
            fitted on the release, and neither is run.
        learned: spaces besides those of voxels and masks, such as an embedding.
        rng: draws the leaked half, the noise, T3's halves, permutations and V0's folds; the site's own.
        terms: the site's own conditions.
        progress: told what is being done.

    Raises:
        InputError: if shapes differ or there is nothing to compare with.
    """
    setting = setting_for(evidence, release, reference, learned, terms.left_out)
    if min(evidence.members.n_patients, evidence.holdout.n_patients) < terms.minimum_subjects:
        return SiteAudit(SiteStatistics.abstention(terms.site, setting, terms.minimum_count), None)
    evidence.check(release, reference)
    progress("registering")
    template = TemplateMoments.of(release if reference is None else reference)
    release, evidence = registered(release, template), _registered_evidence(evidence, template)
    reference = None if reference is None else registered(reference, template)
    spaces = public_spaces(release if reference is None else reference, setting, learned)
    progress("mapping")
    members, holdout = map_all(spaces, evidence.members), map_all(spaces, evidence.holdout)
    attacker = Attacker(setting, evidence, members, holdout,
                        None if reference is None else map_all(spaces, reference), terms.minimum_count, rng)
    targets = _targets(evidence, release, spaces, rng)
    values = {}
    for condition, target in targets.items():
        progress(f"attacking the {condition}")
        values[condition] = attacker.attack(target)
    first = setting.image_spaces[0]
    features = blind.blind_features(np.concatenate([members[first], holdout[first]]),
                                    [*evidence.members.images, *evidence.holdout.images])
    blind_u = _blind_u(features, evidence, rng)
    progress("looking at the nearest pairs")
    inside = look_inside(evidence, release, attacker, targets["release"].vectors)
    sizes = evidence.members.n_patients, evidence.holdout.n_patients
    return SiteAudit(SiteStatistics(terms.site, setting, *sizes, terms.minimum_count, terms.audit_number, blind_u,
                                    values), inside)


def setting_for(evidence: SiteEvidence, release: ImageSet, reference: ImageSet | None,
                learned: Sequence[Space], left_out: Sequence[str] = ()) -> Setting:
    """The measures that these images allow, in every space but those left out."""
    groups = [evidence.members, evidence.holdout, evidence.unseen, release, *([reference] if reference else [])]
    names = {"voxels", "coarse"} | {space.name for space in learned}
    if all(group.labels is not None for group in groups):
        names |= {"anatomy", "tumour"}
    names -= set(left_out)
    return Setting(tuple(space for space in SPACES if space in names), reference is not None, bool(evidence.errors))


def public_spaces(public: ImageSet, setting: Setting, learned: Sequence[Space]) -> tuple[Space, ...]:
    """The spaces of a setting, fitted on public images alone."""
    spaces: list[Space] = [VoxelSpace.fit(public), VoxelSpace.fit(public, "coarse", COARSE_VOXELS), *learned]
    if setting.labels:
        spaces += [MaskSpace.anatomy(public), MaskSpace.tumour(public.images.shape[2:])]
    return tuple(space for space in spaces if space.name in setting.spaces)


def registered(group: ImageSet, template: TemplateMoments) -> ImageSet:
    """Every image registered once to the template; kept in half precision, as there are many."""
    images = np.empty(group.images.shape, np.float16)
    labels = None if group.labels is None else np.empty_like(group.labels)
    for row, picture in enumerate(group):
        moved = to_template(Picture(np.asarray(picture.images, np.float32), picture.labels), template)
        images[row] = moved.images
        if labels is not None:
            labels[row] = moved.labels
    return ImageSet(images, labels, group.patients)


def _registered_evidence(evidence: SiteEvidence, template: TemplateMoments) -> SiteEvidence:
    return replace(evidence, members=registered(evidence.members, template),
                   holdout=registered(evidence.holdout, template), unseen=registered(evidence.unseen, template))


def _targets(evidence: SiteEvidence, release: ImageSet, spaces: Sequence[Space],
             rng: np.random.Generator) -> dict[Condition, Target]:
    """The release, the release with copies of members, and a release of people nobody trained on."""
    synthetic = map_all(spaces, release)
    leaked = controls.leaked_patients(evidence.members.n_patients, rng)
    remembered = evidence.members.subset(controls.first_rows(evidence.members, leaked))
    copies, others = (_copies(spaces, group, rng) for group in (remembered, evidence.unseen))
    labels = None if release.labels is None else np.concatenate([release.labels, label_maps_of(remembered)])
    blended = {contrast: PairedErrors(controls.blended_errors(errors.reconstruction.members, leaked),
                                      errors.reconstruction.holdout) for contrast, errors in evidence.errors.items()}
    return {
        "release": Target(synthetic, release.labels, audited(evidence.errors)),
        "positive": Target({name: np.concatenate([vectors, copies[name]]) for name, vectors in synthetic.items()},
                           labels, blended),
        "negative": Target(others, evidence.unseen.labels,
                           {contrast: errors.untrained for contrast, errors in evidence.errors.items()}),
    }


def _copies(spaces: Sequence[Space], group: ImageSet, rng: np.random.Generator) -> dict[str, np.ndarray]:
    seed = int(rng.integers(2**63))  # each space sees the same noise, and no space's copies stay in memory

    def once_more() -> Iterable[Picture]:
        return controls.noisy_copies(group, np.random.default_rng(seed))

    return {space.name: space.map(once_more()) for space in spaces}


def _blind_u(features: np.ndarray, evidence: SiteEvidence, rng: np.random.Generator) -> float:
    """V0 on one row a patient, the mean of the patient's images."""
    split = len(evidence.members)
    return blind.blind_u(_mean_of_patients(features[:split], evidence.members.owners),
                         _mean_of_patients(features[split:], evidence.holdout.owners), rng)


def _mean_of_patients(features: np.ndarray, owners: np.ndarray) -> np.ndarray:
    patients, index = np.unique(owners, return_inverse=True)
    sums = np.zeros((len(patients), features.shape[1]))
    np.add.at(sums, index, features)
    return sums / np.bincount(index)[:, None]
