"""Releases of known outcome, made from scikit-learn's 1797 digits of 64 grey values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

N: Final = 449


class Digits(NamedTuple):
    members: np.ndarray
    holdout: np.ndarray
    reference: np.ndarray
    fresh: np.ndarray


Make = Callable[[Digits, np.random.Generator], np.ndarray]


def digits(rng: np.random.Generator) -> Digits:
    """The images in a random order, cut into members, holdout, reference and fresh of 449 each."""
    order = rng.permutation(load_digits().data)
    return Digits(*(order[start : start + N] for start in range(0, 4 * N, N)))


def kernel(data: np.ndarray, width: float, n: int, rng: np.random.Generator) -> np.ndarray:
    return data[rng.integers(len(data), size=n)] + rng.normal(0, width, (n, data.shape[1]))


def leak(share: float) -> Make:
    """A share of members copied with SD .5, the rest from fresh people."""

    def make(data: Digits, rng: np.random.Generator) -> np.ndarray:
        copied = round(share * N)
        copies = data.members[rng.permutation(N)[:copied]] + rng.normal(0, 0.5, (copied, 64))
        return np.concatenate([copies, kernel(data.fresh, 0.5, N - copied, rng)])

    return make


def kernel_on_members(width: float) -> Make:
    return lambda data, rng: kernel(data.members, width, N, rng)


def mixture(components: int) -> Make:
    """Gaussian mixture on 20 principal components of the members, full covariance, ridge 1."""

    def make(data: Digits, rng: np.random.Generator) -> np.ndarray:
        pca = PCA(20, svd_solver="full").fit(data.members)
        model = GaussianMixture(components, reg_covar=1.0, random_state=int(rng.integers(2**31)))
        return pca.inverse_transform(model.fit(pca.transform(data.members)).sample(N)[0])

    return make


def nine_outliers(data: Digits, rng: np.random.Generator) -> np.ndarray:
    """The nine most isolated members copied exactly, the rest far too wide."""
    distances = np.linalg.norm(data.members[:, None] - data.members[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    outliers = data.members[np.argsort(distances.min(axis=1))[-9:]]
    return np.concatenate([outliers, kernel(data.fresh, 2, N - 9, rng)])


GENERATORS: Final[dict[str, Make]] = {
    "fresh real": lambda data, rng: data.fresh,
    "disjoint": leak(0.0),
    "leak 1 %": leak(0.01),
    "leak 5 %": leak(0.05),
    "leak 10 %": leak(0.1),
    "leak 50 %": leak(0.5),
    "copy all": leak(1.0),
    "KDE 1": kernel_on_members(1),
    "KDE 4": kernel_on_members(4),
    "KDE 8": kernel_on_members(8),
    "GMM-3": mixture(3),
    "GMM-30": mixture(30),
    "nine outliers": nine_outliers,
}
