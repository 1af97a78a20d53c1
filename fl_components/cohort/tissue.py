"""CSF, grey and white matter outside the tumour, from the sequences alone: a Gaussian mixture, smoothed in space."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from fl_components.vocabulary import BACKGROUND, CSF, HEALTHY, SEQUENCES

EVIDENCE: Final = tuple(SEQUENCES.index(sequence) for sequence in ("T1", "T2", "FLAIR"))
"""T1ce tells no more than T1 about healthy tissue, and its enhancing vessels tell wrong."""
EXPECTED_SHARES: Final = (0.18, 0.45, 0.37)
"""CSF, grey and white matter of an adult's brain, roughly: only where the mixture starts."""
FIT_VOXELS: Final = 30_000
VARIANCE_FLOOR: Final = 1e-4
SMOOTHING_VOXELS: Final = 0.6
NEIGHBOURS_WEIGHT: Final = 0.5


def label_tissues(images: np.ndarray, brain: np.ndarray, tumour: np.ndarray) -> np.ndarray:
    """The anatomy of a scan whose tumour is known.

    Args:
        images: (4, X, Y, Z) normalised intensities.
        brain: (X, Y, Z) bool.
        tumour: (X, Y, Z) tumour labels, 0 elsewhere.

    Returns:
        (X, Y, Z) uint8 labels: the tumour's where there is one, the likeliest of the three tissues elsewhere in the
        brain, background outside it.
    """
    labels = np.where(brain, tumour, BACKGROUND).astype(np.uint8)
    healthy = brain & (labels == BACKGROUND)
    posterior = _posterior(images[:, healthy][EVIDENCE, :].T.astype(np.float64))
    labels[healthy] = CSF + _with_neighbours(posterior, healthy).argmax(axis=1)
    return labels


def _posterior(voxels: np.ndarray) -> np.ndarray:
    """(n, 3) intensities of T1, T2 and FLAIR → (n, 3) probabilities of CSF, grey and white matter.

    The sequences count as independent within a tissue: with full covariances one class stretches along the coil's
    brightness and swallows its neighbour (a real low-grade glioma: 57 % white matter against 35 %).
    """
    sample = voxels[:: max(1, len(voxels) // FIT_VOXELS)]
    # From CSF over grey to white matter T1 brightens and T2 darkens, at every scanner and field strength.
    score = np.subtract(*((sample[:, :2] - sample[:, :2].mean(axis=0)) / (sample[:, :2].std(axis=0) + 1e-6)).T)
    bounds = (np.cumsum(EXPECTED_SHARES)[:-1] * len(sample)).astype(int)
    groups = [sample[chosen] for chosen in np.split(np.argsort(score, kind="stable"), bounds)]
    mixture = GaussianMixture(
        len(HEALTHY),
        covariance_type="diag",
        weights_init=EXPECTED_SHARES,
        means_init=[group.mean(axis=0) for group in groups],
        precisions_init=[1 / (group.var(axis=0) + VARIANCE_FLOOR) for group in groups],
        reg_covar=VARIANCE_FLOOR,
        max_iter=60,
        random_state=0,
    )
    return mixture.fit(sample).predict_proba(voxels)


def _with_neighbours(posterior: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Posteriors of the voxels `where`, drawn halfway to the mean of those around them: single specks go, gyri stay."""
    mean = np.empty_like(posterior)
    for tissue in range(posterior.shape[1]):
        volume = np.zeros(where.shape, np.float32)
        volume[where] = posterior[:, tissue]
        mean[:, tissue] = ndimage.gaussian_filter(volume, SMOOTHING_VOXELS, mode="constant", truncate=2)[where]
    return (1 - NEIGHBOURS_WEIGHT) * posterior + NEIGHBOURS_WEIGHT * mean
