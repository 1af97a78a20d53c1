"""Small cohorts of smooth random volumes, and site answers made to order."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from privacy_eval.site.answer import CONDITIONS, ConditionStatistics, ReplicaCounts, SiteStatistics
from privacy_eval.site.audit import GeneratorErrors, PairedErrors, SiteEvidence

GRID = (8, 8, 8)


def volumes(n: int, rng: np.random.Generator, grid: tuple[int, int, int] = GRID) -> np.ndarray:
    """Two sequences of smooth noise around a common brain, (n, 2, X, Y, Z)."""
    noise = gaussian_filter(rng.standard_normal((n, 2, *grid)), (0, 0, 1, 1, 1))
    return (1 + noise).astype(np.float32)


def generator_errors(
    n_members: int, n_holdout: int, rng: np.random.Generator, advantage: float = 0.0
) -> GeneratorErrors:
    """Errors of a generator that is better by `advantage` on members; ease of painting differs between subjects."""

    def errors(n: int, ease: np.ndarray, shift: float = 0.0) -> np.ndarray:
        return 0.1 * ease - shift + rng.normal(0, 0.004, n)

    easy = rng.uniform(0.8, 1.2, n_members), rng.uniform(0.8, 1.2, n_holdout)
    return GeneratorErrors(
        reconstruction=PairedErrors(errors(n_members, easy[0], advantage), errors(n_holdout, easy[1])),
        predictability=PairedErrors(0.1 * easy[0], 0.1 * easy[1]),
        untrained=PairedErrors(errors(n_members, easy[0]), errors(n_holdout, easy[1])),
    )


def evidence(n_members: int, n_holdout: int, rng: np.random.Generator, advantage: float = 0.0) -> SiteEvidence:
    return SiteEvidence(
        volumes(n_members, rng),
        volumes(n_holdout, rng),
        volumes(8, rng),
        generator_errors(n_members, n_holdout, rng, advantage),
    )


def answer(
    site: str = "site-a",
    n: int = 60,
    blind: float = 0.5,
    release: float = 0.5,
    replicas: tuple[int, int] = (0, 0),
    positive: float = 0.75,
    positive_replicas: int | None = None,
    negative: float = 0.5,
) -> SiteStatistics:
    """A site's answer with the given AUC in every rank test of a condition."""
    auc = {"release": release, "positive": positive, "negative": negative}
    fired = n // 2 if positive_replicas is None else positive_replicas
    counts = {"release": replicas, "positive": (fired, 0), "negative": (0, 0)}
    return SiteStatistics(
        site, n, n, 5, round(2 * blind * n * n) / 2,
        {
            name: ConditionStatistics(
                dict.fromkeys(("T1", "T2", "T4"), round(2 * auc[name] * n * n) / 2), ReplicaCounts(*counts[name])
            )
            for name in CONDITIONS
        },
    )  # fmt: skip
