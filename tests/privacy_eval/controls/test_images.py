"""On images: a generator that learnt few patients by heart is called LEAK; on other patients it never is.

Ten seeds of the full form are run by `python -m benchmarks.controls_images`.
"""

from __future__ import annotations

import pytest

from benchmarks.controls_images import Sizes, row, run_seed
from privacy_eval.verdict.policy import Verdict

FAST = Sizes(patients=10, holdout=14, unseen=3, volumes=6, steps=400, embedding=False)


@pytest.mark.slow
def test_learnt_by_heart_is_a_leak_and_only_for_those_who_were_learnt() -> None:
    audits = run_seed(0, FAST)
    assert audits.leaky.verdict is Verdict.LEAK
    assert audits.clean.verdict is not Verdict.LEAK
    leaky, clean = row(0, audits.leaky, audits.seconds), row(0, audits.clean, audits.seconds)
    assert leaky["T4.exact"]["auc"] > 0.85
    assert "T4.exact" in leaky["caught"]
    assert clean["T4.exact"]["auc"] < 0.85
    assert clean["caught"] == "–"
