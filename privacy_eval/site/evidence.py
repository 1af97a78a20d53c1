"""What a site holds against a release: its own patients, and what the generator makes of each. It never leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.spaces.images import ImageSet

CONTRASTS: Final = ("exact", "site")
"""T4's variants: the attacker knows the subject's own contrast, or only its site's mean."""


@dataclass(frozen=True)
class PairedErrors:
    """One error a patient, in the patients' order: members of shape (n_m,), holdout of shape (n_h,)."""

    members: np.ndarray
    holdout: np.ndarray


@dataclass(frozen=True)
class GeneratorErrors:
    """What T4 needs: errors (mean absolute, same mask and units) of three ways to paint a subject.

    Attributes:
        reconstruction: the audited generator, given the subject's own anatomy and a contrast.
        predictability: a lookup table that paints each tissue with the same contrast.
        untrained: a generator that never saw any site's subject (public pre-training only, or none), given the
            same input. It is T4's negative control: a function of one subject, fixed before the split, so that
            members and holdout are exchangeable. (The lookup table itself cannot serve: its score is 0 for all.)
    """

    reconstruction: PairedErrors
    predictability: PairedErrors
    untrained: PairedErrors

    def check(self, contrast: str, n_members: int, n_holdout: int) -> None:
        """Refuse errors that do not fit the patients.

        Raises:
            InputError: naming the errors, what was found and what was expected.
        """
        for name in ("reconstruction", "predictability", "untrained"):
            pair: PairedErrors = getattr(self, name)
            if pair.members.shape != (n_members,) or pair.holdout.shape != (n_holdout,):
                raise InputError(
                    f"evidence: {name} errors ({contrast} contrast) have shapes {pair.members.shape} and "
                    f"{pair.holdout.shape}; expected ({n_members},) and ({n_holdout},), one a patient")
            if not (np.isfinite(pair.members).all() and np.isfinite(pair.holdout).all()):
                raise InputError(f"evidence: {name} errors ({contrast} contrast) are not all finite; expected mean "
                                 "absolute errors, check them")


@dataclass(frozen=True)
class SiteEvidence:
    """A site's patients.

    Attributes:
        members: trained on.
        holdout: never trained on.
        unseen: further subjects nobody trained on (the test part): they make the negative control and are scored in
            no test.
        errors: what T4 needs, by the contrast the attacker knows (`CONTRASTS`); empty where there is no generator to
            query, and then T4 is not run.
        spacing_mm: the voxels' edges.
        discriminator: T5's scores, the site's own discriminator's output on each patient; None where there is none.
    """

    members: ImageSet
    holdout: ImageSet
    unseen: ImageSet
    errors: Mapping[str, GeneratorErrors] = field(default_factory=dict)
    spacing_mm: tuple[float, ...] = (1.0, 1.0, 1.0)
    discriminator: PairedErrors | None = None

    def check(self, release: ImageSet, reference: ImageSet | None) -> None:
        """Refuse what does not fit together.

        Raises:
            InputError: naming the part, what was found and what was expected.
        """
        if len(self.unseen) == 0:
            raise InputError("evidence: no unseen subject; expected at least one for the negative control")
        groups = {"holdout": self.holdout, "unseen": self.unseen, "released": release, "reference": reference}
        expected = self.members.images.shape[1:]
        for name, group in groups.items():
            if group is not None and group.images.shape[1:] != expected:
                raise InputError(f"evidence: {name} images have shape {group.images.shape[1:]}; expected {expected} as "
                                 "the members'")
        for contrast, errors in self.errors.items():
            errors.check(contrast, self.members.n_patients, self.holdout.n_patients)
