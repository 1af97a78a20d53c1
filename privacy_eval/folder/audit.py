"""The audit on plain folders of images: no federation, no generator of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.folder.duplicates import Copy
from privacy_eval.folder.groups import Groups
from privacy_eval.folder.nifti import read_spacing
from privacy_eval.site.audit import AuditTerms, Progress, audit_site
from privacy_eval.site.evidence import SiteEvidence
from privacy_eval.site.inside import InsideFindings
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy

SITE: Final = "folders"
"""The one stratum's name."""

COPIES_NAMED: Final = 5
"""Bit-identical images that the reasons name one by one; the others are counted."""


@dataclass(frozen=True)
class FolderAudit:
    """The verdict, and what speaks of single images: whoever reads it holds them."""

    result: AuditResult
    inside: InsideFindings


def audit_folders(groups: Groups, policy: AuditPolicy, rng: np.random.Generator, *, minimum_subjects: int = 20,
                  audit_number: int = 1, progress: Progress = lambda stage: None) -> FolderAudit:
    """Run every test of the battery that these images allow: all but those of an attacker who has the generator.

    Args:
        groups: from `read_groups`.
        policy: the tests that decide, and their tolerances.
        rng: draws the controls, T3's halves, permutations and V0's folds.
        minimum_subjects: fewest members, and holdout patients, to audit at all.
        audit_number: which audit of these members it is, counted from 1.
        progress: told what is being done.

    Raises:
        InputError: if there are too few patients.
    """
    members, holdout, release = groups.members, groups.holdout.images, groups.synthetic.images
    _check_enough(groups, minimum_subjects)
    # Nothing leaves here: the reader of the verdict holds the images, so no count is suppressed.
    terms = AuditTerms(SITE, minimum_subjects, minimum_count=1, audit_number=audit_number,
                       left_out=() if groups.tumours else ("tumour",))
    evidence = SiteEvidence(members.images, holdout, groups.unseen.images, spacing_mm=_spacing(groups))
    reference = None if groups.reference is None else groups.reference.images
    audited = audit_site(evidence, release, reference, (), rng, terms, progress)
    assert audited.inside is not None, "enough patients, yet the audit abstained"
    progress("combining")
    return FolderAudit(combine([audited.answer], policy, copy_sentences(groups.copies)), audited.inside)


def copy_sentences(copies: Sequence[Copy]) -> list[str]:
    """What a report says of synthetic images that are real ones."""
    told = [f"The synthetic image {copy.synthetic} is, value by value, the real image {copy.real} ({copy.group}, "
            f"patient '{copy.patient}')." for copy in copies[:COPIES_NAMED]]
    more = len(copies) - len(told)
    return [*told, f"So {'are' if more > 1 else 'is'} {more} more of the synthetic images."] if more else told


def _check_enough(groups: Groups, minimum_subjects: int) -> None:
    members, holdout = groups.members.images.n_patients, groups.holdout.images.n_patients
    if min(members, holdout) >= minimum_subjects:
        return
    aside = f" ({groups.set_aside} more were set aside for the negative control)" if groups.set_aside else ""
    known = f"; besides, {len(groups.copies)} synthetic images are real ones, value by value" if groups.copies else ""
    raise InputError(
        f"{groups.members.folder}, {groups.holdout.folder}: found {members} members and {holdout} holdout patients"
        f"{aside}; expected at least {minimum_subjects} of each, add patients{known}")


def _spacing(groups: Groups) -> tuple[float, ...]:
    """The voxels' edges in mm; PNG have none, and no label maps that could need them."""
    members = groups.members
    return (1.0,) * (members.images.images.ndim - 2) if members.affine is None else read_spacing(members.files[0][0])
