"""T2 as a density: where there are more synthetic images than the population explains, someone was a member.

Both attacks need a public reference R beside the release S: people of whom it is known that none was trained on.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import gaussian_kde
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

COMPONENTS: Final = 8
NEIGHBOURS: Final = 20
"""As in the published attack's own code."""

LEAST_VARIANCE: Final = 1e-10
"""A covariance with a smaller eigenvalue, as a share of the first component's variance, counts as singular: the
density would be one of rounding errors."""


def domias_scores(queries: np.ndarray, release: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """T2 DOMIAS: log p_S(x) − log p_R(x) by Gaussian kernels (van Breugel et al. 2023, arXiv 2302.12580).

    Densities are those of `COMPONENTS` principal components fitted on S ∪ R, with Scott's bandwidth. The last
    components are dropped until each set has more rows than components and a covariance that can be inverted
    (`LEAST_VARIANCE`); where none is left, as for a release of one repeated image, every score is 0: the attack
    cannot say anything, the nearest-neighbour attacks can. No query takes part in the fit.

    Args:
        queries: vectors of the patients' images, (n, features).
        release: vectors of synthetic images, (n_s, features).
        reference: vectors of public images, (n_r, features).

    Returns:
        (n,), higher = more like a member.
    """
    both = np.concatenate([release, reference])
    components = min(COMPONENTS, both.shape[1], len(both) - 1)
    if components < 1 or not np.any(both != both[0]):
        return np.zeros(len(queries))
    pca = PCA(components, random_state=0)  # many features are reduced by a randomised method: the same each time
    pca.fit(both)
    sets = [pca.transform(vectors).astype(np.float64) for vectors in (release, reference)]
    least = LEAST_VARIANCE * pca.explained_variance_[0]
    while components and not all(_invertible(points[:, :components], least) for points in sets):
        components -= 1
    if not components:
        return np.zeros(len(queries))
    points = pca.transform(queries)[:, :components].astype(np.float64).T
    in_release, in_reference = (gaussian_kde(known[:, :components].T).logpdf(points) for known in sets)
    return np.asarray(in_release - in_reference)


def dpi_scores(
    queries: np.ndarray, release: np.ndarray, reference: np.ndarray, k: int = NEIGHBOURS
) -> np.ndarray:
    """T2 DPI: how many of the k nearest in S ∪ R are synthetic (Ward, Wang, Cheng 2024, arXiv 2406.13012).

    The paper's index is the ratio of synthetic to reference neighbours. Here its logarithm, with half a neighbour
    added to either (no division by 0) and |S|/|R| taken away: log((s + ½)/(k − s + ½)) − log(|S|/|R|), which
    is 0 where the release is as dense as the population and ranks patients as the index does.

    Args:
        queries: vectors of the patients' images, (n, features).
        release: (n_s, features).
        reference: (n_r, features).
        k: neighbours counted, at most n_s + n_r.

    Returns:
        (n,), higher = more like a member; at most k + 1 different values.
    """
    both = np.concatenate([release, reference])
    k = min(k, len(both))
    nearest = NearestNeighbors(n_neighbors=k).fit(both).kneighbors(queries, return_distance=False)
    synthetic = np.sum(nearest < len(release), axis=1)
    return np.log((synthetic + 0.5) / (k - synthetic + 0.5)) - np.log(len(release) / len(reference))


def _invertible(points: np.ndarray, least: float) -> bool:
    if len(points) <= points.shape[1]:
        return False
    return bool(np.linalg.eigvalsh(np.atleast_2d(np.cov(points, rowvar=False)))[0] > least)
