"""The audit on plain folders of images: no federation, no generator of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.folder.images import FolderImages, check_same_grid, read_images
from privacy_eval.site.answer import TestId
from privacy_eval.site.audit import SiteEvidence, audit_site
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy

UNSEEN_SHARE: Final = 0.2
"""Share of the holdout set aside for the negative control where no unseen subjects are given."""


def audit_folders(
    release: Path,
    members: Path,
    holdout: Path,
    rng: np.random.Generator,
    *,
    reference: Path | None = None,
    unseen: Path | None = None,
    patterns: Sequence[str] = (),
    policy: AuditPolicy | None = None,
    minimum_subjects: int = 20,
) -> AuditResult:
    """Audit a folder of synthetic images against members and holdout: T1, T6, and T2 if there is a reference.

    Args:
        release: synthetic images.
        members: images trained on.
        holdout: images of like people, chosen at random before training and never trained on.
        rng: draws the controls and V0's folds.
        reference: public images, never the holdout; without it T2 is left out.
        unseen: further images nobody trained on, for the negative control; without it a random fifth of the
            holdout is set aside for that and not scored.
        patterns: see `read_images`; the same for every folder.
        policy: tolerances; its `tests` are cut to what the folders allow.
        minimum_subjects: fewest members, and holdout subjects, to audit at all.

    Raises:
        InputError: on a missing folder, a damaged or mismatching image, or too few subjects.
    """
    trained = read_images(members, patterns)
    others = [_on_grid_of(trained, read_images(folder, patterns)) for folder in (release, holdout)]
    synthetic, kept = others[0].images.images, others[1].images.images
    public = None if reference is None else _on_grid_of(trained, read_images(reference, patterns)).images.images
    if unseen is None:
        order = rng.permutation(len(kept))
        aside = max(1, round(UNSEEN_SHARE * len(kept)))
        extra, kept = kept[order[:aside]], kept[order[aside:]]
    else:
        extra = _on_grid_of(trained, read_images(unseen, patterns)).images.images
    if min(len(trained), len(kept)) < minimum_subjects:
        raise InputError(
            f"{members}, {holdout}: {len(trained)} members and {len(kept)} holdout subjects to score; expected "
            f"at least {minimum_subjects} of each; add subjects"
        )
    allowed: tuple[TestId, ...] = ("T1", "T6") if public is None else ("T1", "T2", "T6")
    policy = policy or AuditPolicy()
    policy = replace(policy, tests=tuple(test for test in policy.tests if test in allowed))
    evidence = SiteEvidence(trained.images.images, kept, extra)
    # Nothing leaves here: the reader of the verdict holds the images, so no count is suppressed.
    statistics = audit_site(evidence, synthetic, public, rng, minimum_subjects, minimum_count=1, site="folders")
    return combine([statistics], policy)


def _on_grid_of(first: FolderImages, other: FolderImages) -> FolderImages:
    check_same_grid(first, other)
    return other
