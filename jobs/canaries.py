"""The canaries of an audit: what all sites' together show, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from fl_components.study import Study
from privacy_eval.attacks.canaries import canary_evidence

_BOUNDS: Final = ("clopper_pearson", "one_run", "fdp_one_run", "gdp")


def canary_section(study: Study, opened: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any] | None, list[str]]:
    """T9 and T10 on canaries, and what to warn of.

    The score is T4's where the generator is released, T1's where the images are; both came from what was released.

    Args:
        study: who gets what, and δ.
        opened: each site's `inside`, `T1` and `T4`, as the server kept them.
    """
    if not opened:
        return None, []
    test = "T4" if study.audit.recipients == "generator" else "T1"
    inside = [coin for site in opened.values() for coin in site["inside"]]
    scores = np.concatenate([site[test] for site in opened.values()])
    n_inside = sum(inside)
    if n_inside in (0, len(inside)):
        return None, [f"All {len(inside)} coins of the canaries fell on one side: they show nothing."]
    found = canary_evidence(scores, inside, study.canaries.delta)
    auc = found.auc
    section = {"test": test, "n_inside": n_inside, "n_outside": len(inside) - n_inside, "delta": found.epsilon.delta,
               "confidence": found.epsilon.confidence, "claim": None,
               "auc": {"estimate": auc.value, "low": auc.low, "high": auc.high},
               "bounds": {name: getattr(found.epsilon, name) for name in _BOUNDS}}
    told = auc.low > 0.5
    return section, [f"Canaries that were trained on are told from those left out by {test} (AUC {auc.value:.2f}, "
                     f"lower bound {auc.low:.2f}): the training remembers what is unlike everybody."] if told else []
