from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import CONTRAST, prepare_run, write_run, write_untrained

from benchmarks import embedding
from benchmarks.embedding import DEGRADATIONS, Degradation, degrade, degraded_copies, identification
from benchmarks.layouts import TABLES
from benchmarks.tables import render
from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, paint
from fl_components.networks.embedding import GRID

NOTHING = Degradation(noise=0, blur_voxels=0, jitter=0, shift_mm=0)


@pytest.fixture(scope="module")
def subject() -> Subject:
    labels = AnatomySampler(GRID).sample(np.random.default_rng(0)).labels
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    return Subject("a", paint(labels, contrast), labels, contrast)


def degraded(subject: Subject, degradation: Degradation) -> np.ndarray:
    return degrade(subject, degradation, subject.contrast, GRID.spacing_mm, np.random.default_rng(0))


def test_identification_counts_and_compares_every_pair() -> None:
    """Copies at 0.1, 2.4 and 5 of subjects at 0, 2 and 4, once with the second and third exchanged."""
    targets = np.array([[0.0], [2.0], [4.0]])
    copies = np.array([[0.1], [2.4], [5.0]])
    found = identification(copies, targets)
    assert found["top1"]["estimate"] == 1
    own = [0.1, 0.4, 1.0]
    others = [1.9, 3.9, 2.4, 1.6, 5.0, 3.0]
    expected = np.mean([np.mean([other > distance for other in others]) for distance in own])
    assert found["auc"]["mean"] == pytest.approx(expected)
    exchanged = identification(copies[[0, 2, 1]], targets)
    assert exchanged["top1"]["estimate"] == pytest.approx(1 / 3)
    assert exchanged["top1"]["low"] < 1 / 3 < exchanged["top1"]["high"]
    assert exchanged["auc"]["mean"] < found["auc"]["mean"]


def test_a_copy_with_nothing_done_is_the_subject(subject: Subject) -> None:
    np.testing.assert_allclose(degraded(subject, NOTHING), subject.images, atol=1e-6)


def test_mirrored_twice_is_the_subject(subject: Subject) -> None:
    once = degraded(subject, replace(NOTHING, mirrored=True))
    np.testing.assert_allclose(once[:, ::-1], subject.images, atol=1e-5)


def test_a_shift_has_its_length(subject: Subject) -> None:
    """The centre of mass moves by the millimetres asked for."""
    def centre(images: np.ndarray) -> np.ndarray:
        weights = images.sum(axis=0)
        return np.array([np.average(index, weights=weights) for index in np.indices(weights.shape)])

    moved = degraded(subject, replace(NOTHING, shift_mm=4.0))
    assert np.linalg.norm(centre(moved) - centre(subject.images)) * GRID.spacing_mm == pytest.approx(4, abs=0.4)


def test_repainting_leaves_the_anatomy_and_takes_the_donors_contrast(subject: Subject) -> None:
    donor = Contrast(CONTRAST.astype(np.float32)[:, ::-1] * 0.9, np.array([True] * 5 + [False]))
    found = degrade(subject, replace(NOTHING, repainted=True), donor, GRID.spacing_mm, np.random.default_rng(0))
    for label in (1, 3, 5):
        voxels = found[:, subject.labels == label]
        np.testing.assert_allclose(voxels, np.broadcast_to(donor.mean[label - 1][:, None], voxels.shape), atol=1e-5)
    enhancing = found[:, subject.labels == 6]
    np.testing.assert_allclose(enhancing, np.broadcast_to(CONTRAST[5][:, None], enhancing.shape), atol=1e-5)


def test_copies_are_the_same_again_and_finite(subject: Subject) -> None:
    for degradation in DEGRADATIONS.values():
        first, again = (degraded_copies([subject, subject], degradation, 4.0, seed=1) for _ in range(2))
        np.testing.assert_array_equal(first[0].images, again[0].images)
        assert (first[0].images != first[1].images).any()
        assert np.isfinite(first[0].images).all()


def test_the_whole_benchmark_on_a_small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", subjects=5)
    prepare_run(run)
    write_untrained(run)
    written: dict[str, Any] = {}
    monkeypatch.setattr(embedding, "write_result",
                        lambda name, figures, n, **more: written.update(figures=figures, n=n, **more))
    monkeypatch.setattr("sys.argv", ["embedding", str(run.path), "--subjects", "2"])
    assert embedding.main() == 0
    assert set(written["figures"]["degradations"]) == set(DEGRADATIONS)
    assert written["simulated"] is True
    row = next(iter(written["figures"]["degradations"].values()))
    assert set(row) == {"embedding", "voxels", "coarse"}
    assert row["voxels"]["top1"]["n"] == written["n"]["subjects"] == row["voxels"]["auc"]["n"]
    machine = {"cpu": "some", "cores": 1, "memory_gib": 1.0, "gpu": "none", "torch": "2"}
    table = render(TABLES["embedding"], {"name": "embedding", "command": "c", "machine": machine, **written})
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 2 + 3 * len(DEGRADATIONS)
