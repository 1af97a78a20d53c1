"""T9 and T10: simulated subjects planted among a site's members, so that what leaks can be measured on nobody.

What a canary shows: that this release tells trained-on from left-out for subjects like it. What a pass does not
show: that patients, who are not simulated, are as safe. Which were trained on, the site's coins say (`coins`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from privacy_eval.errors import InputError
from privacy_eval.statistics.epsilon import EpsilonBounds, epsilon_lower_bounds
from privacy_eval.statistics.ranks import Estimate, stratified_auc, u_statistic


@dataclass(frozen=True)
class CanaryEvidence:
    """T9's and T10's answer from one site's canaries: `auc` of in against out, and the lower bounds of ε."""

    auc: Estimate
    epsilon: EpsilonBounds


def canary_evidence(
    scores: np.ndarray,
    inside: Sequence[bool],
    delta: float,
    confidence: float = 0.95,
    threshold: float | None = None,
) -> CanaryEvidence:
    """T9 and T10 on one site's canaries.

    Args:
        scores: computed from released artefacts alone, higher = more likely in; shape (m,), order of the names.
        inside: the opened coins, shape (m,).
        delta: δ of the claim that the bounds speak to.
        confidence: of each interval and bound, taken alone.
        threshold: of the guesses, if it was fixed before the scores were seen.

    Raises:
        InputError: not one score a coin, no canary in or none out, or a score that is not finite.
    """
    scores, is_inside = np.asarray(scores, dtype=np.float64), np.asarray(inside, dtype=bool)
    if scores.shape != is_inside.shape:
        raise InputError(
            f"Canary scores: found {scores.size} scores for {is_inside.size} coins, expected one each; score every "
            "canary, in or out."
        )
    scores_in, scores_out = scores[is_inside], scores[~is_inside]
    epsilon = epsilon_lower_bounds(scores_in, scores_out, delta, confidence, threshold)
    return CanaryEvidence(stratified_auc([u_statistic(scores_in, scores_out)], confidence), epsilon)
