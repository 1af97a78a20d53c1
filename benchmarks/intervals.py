"""A mean over subjects never without its interval and its n."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 4000


def interval_of_mean(values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """`mean`, `low`, `high` and `n` of one value a subject, shape (n,); see `interval_of`."""
    return {"mean": float(values.mean()), **interval_of(np.mean, (values,), seed)}


def interval_of(statistic: Callable[..., np.ndarray], samples: tuple[np.ndarray, ...], seed: int = 0) -> dict[str, Any]:
    """`low`, `high` and `n`: the 95 % percentile bootstrap over subjects.

    Args:
        statistic: maps arrays (…, n), one an entry of `samples`, and `axis=-1` to (…).
        samples: arrays of shape (n,), n ≥ 2, of the same subjects in the same order: they are drawn together.
        seed: of the resampling.
    """
    found = stats.bootstrap(samples, statistic, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, paired=True,
                            vectorized=True, method="percentile", rng=np.random.default_rng(seed))
    return {"low": float(found.confidence_interval.low), "high": float(found.confidence_interval.high),
            "n": len(samples[0])}
