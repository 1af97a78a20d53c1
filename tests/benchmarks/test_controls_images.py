from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_case import answer, changed

from benchmarks import controls_images
from benchmarks.controls_images import Audits, Sizes, draw_cohort, row, sample_release, summary
from benchmarks.layouts import TABLES
from benchmarks.results import read_result, write_result
from benchmarks.small_hospital import draw_subjects, painted_images, population_of, public_anatomies, small_study
from benchmarks.tables import render
from fl_components.networks.build import build_generator
from fl_components.networks.weights import weights_of
from privacy_eval.verdict.combine import AuditResult, combine
from privacy_eval.verdict.policy import AuditPolicy, Verdict

STUDY = small_study(3, **controls_images.BY_HEART)


def result(advantage: bool) -> AuditResult:
    site = answer(n=40, positive=0.9)
    if advantage:
        site = changed(site, "release", "T4.exact", (1600.0,))
    return combine([site], AuditPolicy(simulations=1000))


def test_by_heart_is_the_demo_without_augmentation_on_a_small_grid() -> None:
    assert STUDY.training.augmentation is None
    assert STUDY.network == small_study(3).network
    assert STUDY.network.generator_channels == (16, 32, 48)
    assert small_study(3).training.augmentation is not None
    assert STUDY.training.l1_weight == 100


def test_patients_are_prepared_fresh_and_their_population_is_their_mean() -> None:
    subjects = draw_subjects(STUDY, 3, np.random.default_rng(0))
    assert all(s.images.shape == (4, *STUDY.grid.shape) and s.images.max() <= 1 for s in subjects)
    assert all((s.images[:, s.labels == 0] == 0).all() for s in subjects)
    assert not np.array_equal(subjects[0].labels, subjects[1].labels)
    again = draw_subjects(STUDY, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(again[0].images, subjects[0].images)
    white = [s.contrast.mean[2] for s in subjects]
    population = population_of(subjects)
    np.testing.assert_allclose(population.mean[0, 2], np.mean(white, axis=0), rtol=1e-5)
    np.testing.assert_allclose(population.spread[0, 2], np.std(white, axis=0), atol=1e-6)


def test_release_and_public_subjects_are_on_the_grid() -> None:
    rng = np.random.default_rng(1)
    population = population_of(draw_subjects(STUDY, 2, rng))
    release = sample_release(STUDY, weights_of(build_generator(STUDY)), population, 2, rng)
    public = painted_images(public_anatomies(STUDY, 2, rng), population, rng)
    for group in (release, public):
        assert group.images.shape == (2, 4, *STUDY.grid.shape)
        assert group.labels is not None
        assert (group.images[:, 0][group.labels == 0] == 0).all()


def test_the_cohort_is_cut_into_parts_that_share_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls_images, "draw_subjects", lambda _, n, __: list(range(n)))
    cohort = draw_cohort(STUDY, Sizes(patients=3, holdout=5, unseen=2), np.random.default_rng(0))
    assert [len(part) for part in cohort] == [3, 5, 3, 2]
    assert sorted(k for part in cohort for k in part) == list(range(13))  # type: ignore[type-var]


def test_rows_and_summary_say_what_the_audits_found() -> None:
    audits = [Audits(result(True), result(False), seconds) for seconds in (10.0, 20.0)]
    found = row(1, audits[0].leaky, 10.0)
    assert (found["seed"], found["verdict"], found["caught"]) == (1, "LEAK", "T4.exact")
    assert found["T4.exact"]["auc"] == 1
    assert row(0, audits[0].clean, 1.0)["caught"] == "–"
    total = summary(audits)
    assert (total["leaky"]["leak"], total["clean"]["leak"], total["leaky"]["void"]) == (2, 0, 0)
    assert total["leaky"]["T4.exact"] == "1.000 to 1.000"
    assert total["clean"]["T4.exact"] == "0.500 to 0.500"
    assert total["leaky"]["seconds"] == 15


@pytest.mark.parametrize(("leaky", "clean", "code"), [(True, False, 0), (False, False, 1), (True, True, 1)])
def test_exit_code_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaky: bool, clean: bool,
                              code: int) -> None:
    audits = Audits(result(leaky), result(clean), 1.0)
    assert (audits.leaky.verdict is Verdict.LEAK) == leaky

    def write(name: str, figures: dict[str, Any], n: dict[str, int], **more: Any) -> None:  # noqa: ANN401
        write_result(name, figures, n, folder=tmp_path, **more)

    monkeypatch.setattr(controls_images, "run_seed", lambda *_: audits)
    monkeypatch.setattr(controls_images, "write_result", write)
    monkeypatch.setattr("sys.argv", ["controls_images", "--seeds", "2"])
    assert controls_images.main() == code
    written = read_result("controls_images", tmp_path)
    assert written["n"]["seeds"] == 2
    assert len(render(TABLES["controls_images_seeds"], written).splitlines()) == 2 + 4 + 2
    assert render(TABLES["controls_images"], written).splitlines()[2].startswith("| leaky | 2 |")
