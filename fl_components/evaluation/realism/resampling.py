"""Standard errors of two-sample statistics over subjects, by leaving one subject out at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from fl_components.evaluation.realism.answer import Measured
from privacy_eval.statistics.ranks import hanley_mcneil_standard_error, u_statistic

CROSS_VALIDATED: Final = float(np.sqrt(2))
"""Scores from cross-validation are correlated: their AUC's SD was measured at 1.2 to 1.55 times a rank test's."""
LEAST_ERROR: Final = 1e-9
"""A standard error of 0 would read as "not measured"."""

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rows of real and of synthetic subjects to (K,) numbers."""


Samples = tuple[np.ndarray, np.ndarray]
"""One row a subject: real, synthetic."""


def jackknife(statistic: Statistic, samples: Samples, names: Sequence[str]) -> dict[str, Measured]:
    """A statistic of two samples with its standard errors (Efron & Stein 1981): the two samples' variances add.

    Args:
        statistic: of (n, …) and (m, …) rows, to (K,); a nan is left out.
        samples: real and synthetic rows, n and m ≥ 3.
        names: of the K numbers.
    """
    real, synthetic = samples
    values = statistic(real, synthetic)
    variance = (_variance([statistic(np.delete(real, k, 0), synthetic) for k in range(len(real))])
                + _variance([statistic(real, np.delete(synthetic, k, 0)) for k in range(len(synthetic))]))
    return {name: Measured(float(value), max(float(np.sqrt(spread)), LEAST_ERROR))
            for name, value, spread in zip(names, values, variance, strict=True) if np.isfinite(value + spread)}


def detector_auc(real_scores: np.ndarray, synthetic_scores: np.ndarray) -> Measured:
    """AUC of cross-validated scores "looks synthetic", one a subject, and its standard error.

    Hanley and McNeil's, taken half a pair away from 0 and 1, where it would vanish, and widened for cross-validation.
    """
    found = u_statistic(synthetic_scores, real_scores)
    pairs = found.n_members * found.n_holdout
    inner = float(np.clip(found.auc, 0.5 / pairs, 1 - 0.5 / pairs))
    error = CROSS_VALIDATED * hanley_mcneil_standard_error(inner, found.n_members, found.n_holdout)
    return Measured(found.auc, error)


def _variance(left_out: Sequence[np.ndarray]) -> np.ndarray:
    values = np.stack(left_out)
    return (len(values) - 1) * np.asarray(values.var(axis=0))
