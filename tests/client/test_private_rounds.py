"""A site's private answers outside NVFlare: what it reserves, and the public side that it trains against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from small_run import CONTRAST, small_study

from fl_components.client import private_rounds
from fl_components.client.open_site import OpenSite
from fl_components.client.private_rounds import PrivateRounds
from fl_components.cohort.labelling import Labels
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.site import DataSettings, EgressPolicy, Labelling, Site
from fl_components.study import Grid, Study
from fl_components.training.private.plan import plan_of
from fl_components.vocabulary import N_LABELS

STUDY = Study.parse(small_study(privacy={"mode": "private", "trains": "scratch"}, audit={"epsilon": 0.5}), "test")
TRAINING = "ab" * 16


def rounds_of(folder: Path, labelling: Labelling = "auto") -> PrivateRounds:
    data = DataSettings(root=folder / "data", dialect="brats2020", simulated=True, labelling=labelling)
    site = Site(name="east", study=folder / "study.toml", state=folder / "state", data=data,
                policy=EgressPolicy(epsilon=8.0))
    return PrivateRounds(OpenSite(site, STUDY), TRAINING)


def patients(count: int) -> list[Subject]:
    labels = np.repeat(np.arange(N_LABELS, dtype=np.uint8), 20).reshape(7, 5, 4)
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    return [Subject(str(k), np.zeros((4, *labels.shape), np.float32), labels, contrast) for k in range(count)]


def test_a_summary_is_reserved_once_and_the_same_whenever_it_is_asked_for(tmp_path: Path) -> None:
    rounds, plan = rounds_of(tmp_path), plan_of(STUDY)
    assert plan is not None
    first, again = rounds.summarise(patients(6)), rounds_of(tmp_path).summarise(patients(6))
    assert first.keys() == again.keys()
    assert all(np.array_equal(value, again[name]) for name, value in first.items())
    assert rounds.account.spending().events == (plan.summary,)


@pytest.mark.parametrize("labelling", ["auto", "mixture", "labeller"])
def test_the_public_side_is_labelled_as_the_site_labels_and_has_its_noised_contrast(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelling: Labelling) -> None:
    seen: list[tuple[Mapping[str, np.ndarray] | None, Labels]] = []

    def public(grid: Grid, count: int, seed: int, tumour_share: float, contrast: Mapping[str, np.ndarray] | None,
               labels: Labels) -> None:
        seen.append((contrast, labels))

    monkeypatch.setattr(private_rounds, "PublicSubjects", public)
    rounds = rounds_of(tmp_path, labelling)
    rounds.summarise(patients(6))
    rounds._public_subjects()
    (contrast, labels), = seen
    assert labels.choice == labelling
    assert contrast is not None
    assert contrast["contrast.mean"].shape == (6, 4)
