"""Public subjects: what the discriminator's other side is made from. No patient goes in but by the noised summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.labelling import Labels
from fl_components.contrast import MINIMUM_VOXELS, Contrast, draw_deviation, paint
from fl_components.study import Augmentation, Grid
from fl_components.training.augment import augment
from fl_components.training.batch import Batch
from fl_components.training.private.summary import N_MEANS, USUAL_SPREAD, public_contrast
from fl_components.training.public_scan import Conditions
from fl_components.vocabulary import N_LABELS, N_TISSUES, SEQUENCES, TUMOUR

_STREAM: Final = 21
_BLUR_VOXELS: Final = 0.5
_NOISE: Final = 0.06


class PublicSubjects:
    """A pool of public anatomies, and contrasts for them.

    Anatomies are rendered with a public contrast, blur and noise, and their tissues labelled again as a site labels its
    scans: a discriminator that is shown the anatomy would else tell the sides apart by labelling noise alone.

    Args:
        grid: the study's.
        count: anatomies in the pool.
        seed: public; anatomy k follows from it and k.
        tumour_share: of them with a tumour.
        contrast: mean and spread as `summary.contrast_of` gives them; the public distribution if None.
        labels: how the site labels its scans.
    """

    def __init__(self, grid: Grid, count: int, seed: int, tumour_share: float,
                 contrast: Mapping[str, np.ndarray] | None = None, labels: Labels = Labels()) -> None:  # noqa: B008
        self.grid, self.contrast = grid, contrast
        self.labels = torch.from_numpy(np.stack([
            relabelled_anatomy(grid, np.random.default_rng((seed, _STREAM, k)), tumour_share, labels)
            for k in range(count)])).long()

    def draw(self, count: int, settings: Augmentation | None, rng: torch.Generator) -> Conditions:
        """Conditions of so many public images, warped as patients' are."""
        chosen = self.labels[torch.randint(len(self.labels), (count,), generator=rng)]
        numbers = np.random.default_rng(int(torch.randint(2**62, (1,), generator=rng)))
        vectors = np.stack([self._contrast(labels, numbers).vector() for labels in chosen.numpy()])
        batch = Batch(torch.zeros(count, len(SEQUENCES), *self.grid.shape), chosen, torch.from_numpy(vectors))
        if settings is not None:
            batch = augment(batch, settings, self.grid, rng)
        return Conditions(batch.labels, batch.contrast)

    def _contrast(self, labels: np.ndarray, rng: np.random.Generator) -> Contrast:
        if self.contrast is None:
            centre, covariance = public_contrast()
            mean = centre + (np.linalg.cholesky(covariance) @ rng.standard_normal(N_MEANS)).reshape(centre.shape)
            spread = np.full(centre.shape, USUAL_SPREAD)
        else:
            mean, spread = self.contrast["contrast.mean"], self.contrast["contrast.spread"]
        present = np.bincount(labels.ravel(), minlength=N_LABELS)[1:] >= MINIMUM_VOXELS
        drawn = np.clip(mean + spread * draw_deviation(rng), 0, 1) * present[:, None]
        return Contrast(drawn.astype(np.float32), present)


def relabelled_anatomy(grid: Grid, rng: np.random.Generator, tumour_share: float,
                       how: Labels = Labels()) -> np.ndarray:  # noqa: B008
    """(X, Y, Z) uint8: a sampled anatomy whose tissues were labelled, as a site's are, from a rendering of it."""
    labels = AnatomySampler(grid).sample(rng, tumour=bool(rng.random() < tumour_share)).labels
    contrast = Contrast(public_contrast()[0].astype(np.float32), np.ones(N_TISSUES, bool))
    blurred = gaussian_filter(paint(labels, contrast), (0, *[_BLUR_VOXELS] * 3))
    noise = gaussian_filter(rng.standard_normal(blurred.shape), (0, *[_BLUR_VOXELS] * 3))
    brain = labels > 0
    images = np.clip(blurred + _NOISE / noise.std() * noise, 0, 1) * brain
    return how.label(images.astype(np.float32), np.ones(len(SEQUENCES), bool), brain,
                     np.where(np.isin(labels, TUMOUR), labels, 0), True, grid.spacing_mm)
