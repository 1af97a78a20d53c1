"""What the scores of canaries say: the AUC of in against out, and the lower bounds of ε."""

from __future__ import annotations

import numpy as np
import pytest

from privacy_eval.attacks.canaries import canary_evidence
from privacy_eval.errors import InputError
from privacy_eval.statistics.epsilon import epsilon_lower_bounds
from privacy_eval.statistics.ranks import stratified_auc, u_statistic


def test_evidence_is_the_auc_and_the_bounds_of_the_two_groups() -> None:
    rng = np.random.default_rng(3)
    inside = rng.random(60) < 0.5
    scores = rng.normal(size=60) + 2 * inside
    found = canary_evidence(scores, list(inside), 1e-5, 0.9)
    assert found.auc == stratified_auc([u_statistic(scores[inside], scores[~inside])], 0.9)
    assert found.epsilon == epsilon_lower_bounds(scores[inside], scores[~inside], 1e-5, 0.9)
    assert found.auc.low > 0.7
    assert found.epsilon.fdp_one_run > 0.5
    assert canary_evidence(scores, list(inside), 1e-5, threshold=1.0).epsilon.n_thresholds == 1


def test_evidence_needs_a_score_a_coin_and_both_groups() -> None:
    with pytest.raises(InputError, match="2 scores for 3 coins"):
        canary_evidence(np.zeros(2), [True, False, True], 1e-5)
    with pytest.raises(InputError, match="2 canaries in and 0 out"):
        canary_evidence(np.zeros(2), [True, True], 1e-5)
    with pytest.raises(InputError, match="1 of 2 are not finite"):
        canary_evidence(np.array([0.0, np.nan]), [True, False], 1e-5)
