"""The contrast population: the sites' contrast summaries, kept over the jobs of a training, and drawing from it.

Or random protocols in their place: all that the publicly trained networks know of contrast, and no site's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_components.contrast import MINIMUM_VOXELS, Contrast, draw_deviation
from fl_components.guard.declaration import declare, refusal
from fl_components.json_file import read_json, write_json
from fl_components.study import Study
from fl_components.training.private.plan import plan_of
from fl_components.training.private.summary import USUAL_SPREAD, contrast_of, public_contrast
from fl_components.vocabulary import N_LABELS
from privacy_eval.errors import InputError

PROTOCOLS: Final = 200
"""How many random protocols stand for all."""
_STREAM: Final = 53


@dataclass(frozen=True)
class ContrastPopulation:
    """The summaries of S sites: `mean`, `spread`: (S, 6, 4); `share`: (S,), summing to 1; `simulated`: no site holds a
    real person."""

    mean: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    simulated: bool

    @classmethod
    def from_summaries(cls, study: Study, summaries: dict[str, Any]) -> ContrastPopulation:
        """As the sites told in their answers to "summarise"; what one site does not know, the others fill in.

        Noised summaries, of a study that claims an ε, are read with public knowledge beside them.

        A site of the study that gave none is left out: it never took part in the training.

        Raises:
            InputError: if no site gave one, or a tissue is known at no site.
        """
        plan = plan_of(study)
        if plan is not None:
            summaries = {site: told | contrast_of(told, int(told["n_members"]), plan.summary_noise)
                         for site, told in summaries.items()}
        sites = [site for site in study.sites if site in summaries]
        if not sites:
            raise InputError("contrast population: no site's summary; run 'fedsynth train' first")
        mean = np.array([summaries[site]["contrast.mean"] for site in sites], np.float32)
        spread = np.array([summaries[site]["contrast.spread"] for site in sites], np.float32)
        known = np.array([summaries[site]["contrast.count"] for site in sites]) > 0
        if not known.any(axis=0).all():
            raise InputError("contrast population: a tissue is known at no site; every label must occur in enough "
                             "members of at least one site")
        everywhere = np.where(known[:, :, None], mean, np.nan)
        mean = np.where(known[:, :, None], mean, np.nanmean(everywhere, axis=0))
        share = np.array([study.weight(site) for site in sites])
        return cls(mean, spread, share / share.sum(), all(summaries[site]["simulated"] for site in sites))

    @classmethod
    def of_release(cls, study: Study, summaries: dict[str, Any]) -> ContrastPopulation:
        """That the study's release is drawn from (`[synthesis] contrasts`); errors as `from_summaries`."""
        told = cls.from_summaries(study, summaries)
        return random_protocols(told.simulated) if study.synthesis.contrasts == "random" else told

    def draw(self, labels: np.ndarray, rng: np.random.Generator) -> Contrast:
        """A contrast for an anatomy: one site's mean, and how a subject deviates from it.

        Args:
            labels: (X, Y, Z) anatomy; tissues it lacks are marked absent.
            rng: source of the draw.
        """
        site = rng.choice(len(self.share), p=self.share)
        counts = np.bincount(labels.ravel(), minlength=N_LABELS)[1:]
        present = counts >= MINIMUM_VOXELS
        mean = np.clip(self.mean[site] + self.spread[site] * draw_deviation(rng), 0, 1) * present[:, None]
        return Contrast(mean.astype(np.float32), present)


def random_protocols(simulated: bool) -> ContrastPopulation:
    """As of hospitals of equal size, each with contrasts of its own around the public mean: nothing of any patient.

    A segmenter that learns in many contrasts finds its way in a new one (Billot et al. 2023, SynthSeg,
    arXiv 2107.09559).
    """
    rng = np.random.default_rng(_STREAM)
    centre, covariance = public_contrast()
    drawn = rng.multivariate_normal(centre.ravel(), covariance, PROTOCOLS).reshape(PROTOCOLS, *centre.shape)
    return ContrastPopulation(np.clip(drawn, 0, 1).astype(np.float32), np.full(drawn.shape, USUAL_SPREAD, np.float32),
                              np.full(PROTOCOLS, 1 / PROTOCOLS), simulated)


def summaries_of(path: Path, training: str) -> dict[str, Any]:
    """The summaries given in a training, by site; none of an earlier one's.

    Raises:
        InputError: if the file is damaged.
    """
    kept = read_json(path) if path.exists() else {}
    return {site: summary for site, summary in kept.items() if summary.get("training") == training}


def missing_summaries(path: Path, training: str, sites: Sequence[str]) -> list[str]:
    """Those of the sites that gave no summary in a training yet."""
    given = summaries_of(path, training)
    return [site for site in sites if site not in given]


def take_summaries(path: Path, study: Study, training: str,
                   answers: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, str]:
    """Add the answers that match their declaration to the file; of the others, site and reason."""
    declaration = declare("summarise", study)
    refused = {site: reason for site, fields in answers.items() if (reason := refusal(declaration, fields))}
    taken = {site: {"training": training, **{name: value.tolist() for name, value in fields.items()}}
             for site, fields in answers.items() if site not in refused}
    write_json(path, summaries_of(path, training) | taken)
    return refused
