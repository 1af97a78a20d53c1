from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_run import small_study

from benchmarks.anatomy_detector import AS_SITES, FLOOR, MIXTURE, SAMPLED, compared, features, merged, public_anatomies
from fl_components.anatomy.measures import MEASURES
from fl_components.cohort import labelling
from fl_components.study import Study

STUDY = Study.parse(small_study(), "test")


def test_a_kind_that_differs_is_told_apart_and_other_patients_are_not() -> None:
    rng = np.random.default_rng(0)

    def drawn(n: int, shift: float = 0.0) -> np.ndarray:
        return rng.standard_normal((n, 960)) + shift * (np.arange(960) == 3)

    rows = {row["public"]: row for row in compared(
        {"north": drawn(80), "south": drawn(60)}, {"alike": drawn(40), "shifted": drawn(40, 6.0)})}
    assert rows["shifted"]["all"]["low"] > 0.9
    assert rows["shifted"]["told by"].startswith(f"{tuple(MEASURES)[3]} 1.00")
    assert rows["alike"]["all"]["low"] < 0.5 < rows["alike"]["all"]["high"]
    assert rows[FLOOR]["all"]["low"] < 0.5 < rows[FLOOR]["all"]["high"]
    assert rows["shifted"]["north"]["low"] <= rows["shifted"]["north"]["auc"] <= rows["shifted"]["north"]["high"]


def test_the_kinds_are_one_set_of_anatomies_and_sites_labelling_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def label(self: labelling.Labels, images: np.ndarray, available: np.ndarray, brain: np.ndarray, tumour: np.ndarray,
              masked: bool, spacing_mm: float) -> np.ndarray:
        asked.append(self.choice)
        assert masked
        assert available.all()
        return np.where(tumour > 0, tumour, brain).astype(np.uint8)

    monkeypatch.setattr(labelling.Labels, "label", label)
    made: dict[str, Any] = public_anatomies(STUDY, 2)
    assert asked == ["mixture"] * 2 + ["auto"] * 2
    for sampled, mixture, sites in zip(made[SAMPLED], made[MIXTURE], made[AS_SITES], strict=True):
        np.testing.assert_array_equal(mixture, sites)
        np.testing.assert_array_equal(sampled > 3, mixture > 3)
        np.testing.assert_array_equal(sampled > 0, mixture > 0)
    assert features(made[SAMPLED], STUDY.grid).shape[0] == 2
    assert {*np.unique(merged(made[SAMPLED]))} <= {0, 3, 4, 5, 6}
