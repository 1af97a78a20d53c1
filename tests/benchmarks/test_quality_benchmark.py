from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_run import prepare_run, small_study, write_run

from benchmarks import quality
from benchmarks.hospitals import load_hospitals, pooled
from benchmarks.quality import CENTRAL, FIGURES, LOOKUP, NO_CONTRAST, OURS, UNTRAINED
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from fl_components.study import Study
from fl_components.vocabulary import SEQUENCES

STUDY = Study.parse(small_study(), "test")


def test_only_the_contrast_input_is_taken_away() -> None:
    blind = quality.without_contrast_input(STUDY)
    assert not build_generator(blind).contrast_input
    restored = blind.model_copy(update={"network": STUDY.network})
    assert restored == STUDY


def test_figures_are_means_over_subjects_by_site() -> None:
    values = np.arange(4 * 4 * 4, dtype=float).reshape(4, 4, 4)  # subjects, figures, sequences
    sites = {"all": np.ones(4, bool), "east": np.array([True, True, False, False])}
    found = quality.summarise({"row": values}, sites)
    l1 = found["all"]["row"]["l1"]
    assert l1["T2"]["mean"] == pytest.approx(values[:, 0, 2].mean())
    assert l1["mean"]["mean"] == pytest.approx(values[:, 0].mean())
    assert l1["mean"]["n"] == 4
    assert found["east"]["row"]["texture_share"]["FLAIR"]["mean"] == pytest.approx(values[:2, 3, 3].mean())
    assert found["east"]["row"]["l1"]["T1"]["low"] < found["east"]["row"]["l1"]["T1"]["mean"]


def test_the_whole_benchmark_on_a_small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", subjects=5)
    study = prepare_run(run)
    run.server.folder.mkdir()
    save_file(weights_of(build_generator(study)), run.server.generator_file)
    trained: list[tuple[bool, int]] = []

    def no_training(some: Study, members: list[object], steps: int, *_: object) -> dict[str, np.ndarray]:
        trained.append((some.network.contrast_input, steps))
        assert len(members) == len(pooled(load_hospitals(run, "members")))
        return weights_of(build_generator(some))

    written: dict[str, object] = {}
    monkeypatch.setattr(quality, "central_training", no_training)
    monkeypatch.setattr(quality, "write_result", lambda name, figures, n, **_: written.update(figures))
    monkeypatch.setattr("sys.argv", ["quality", str(run.path)])
    assert quality.main() == 0
    total = len(study.sites) * study.training.rounds * study.training.local_steps
    assert trained == [(True, total), (False, total)]
    everyone = written["sites"]["all"]  # type: ignore[index]
    assert set(everyone) == {OURS, CENTRAL, NO_CONTRAST, UNTRAINED, LOOKUP}
    assert set(everyone[OURS]) == set(FIGURES)
    assert set(everyone[OURS]["l1"]) == {"mean", *SEQUENCES}
    assert everyone[LOOKUP]["texture_share"]["mean"]["high"] == 0
    assert everyone[LOOKUP]["tissue_error"]["mean"]["high"] < 1e-3
    assert everyone[OURS] == everyone[CENTRAL] == everyone[UNTRAINED]
    assert everyone[NO_CONTRAST]["tissue_error"]["mean"]["mean"] > everyone[LOOKUP]["tissue_error"]["mean"]["mean"]
