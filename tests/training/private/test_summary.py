"""The noised summary: what one patient moves it by, what its noise is, what may be read from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_case import NoEntropy, SeededEntropy

from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast
from fl_components.training.private.blocks import BLOCKS, ROUNDING
from fl_components.training.private.summary import (
    contrast_of,
    noised_summary,
    patient_vectors,
    public_contrast,
    tumour_bins,
)
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA

SHAPE = (8, 10, 8)


def patient(seed: int, scale: float = 1.0, offset: float = 0.0, tumour: bool = True) -> Subject:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7 if tumour else 4, SHAPE).astype(np.uint8)
    mean = (offset + scale * rng.random((6, 4))).astype(np.float32)
    return Subject(f"p{seed}", np.zeros((4, *SHAPE), np.float32), labels, Contrast(mean, rng.random(6) < 0.8))


patients = st.builds(patient, st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 1e6, float("nan"), float("inf")]),
                     st.sampled_from([0.0, -1e3, 0.5]), st.booleans())


@settings(max_examples=60)
@given(others=st.lists(patients, max_size=4), one=patients)
def test_a_patient_moves_all_blocks_together_by_at_most_one(others: list[Subject], one: Subject) -> None:
    without, with_one = (noised_summary(of, 7.0, 1.0, NoEntropy()) for of in (others, [*others, one]))
    moved = sum(np.square((with_one[f"summary.{b.name}"] - without[f"summary.{b.name}"]) * b.weight / b.bound).sum()
                for b in BLOCKS)
    assert np.sqrt(moved) <= 1 + 1e-9


def test_the_weights_are_one_budget_and_the_noise_is_each_blocks_share_of_it() -> None:
    assert sum(block.weight**2 for block in BLOCKS) == pytest.approx(1)
    entropy = SeededEntropy(1)
    drawn = [noised_summary([], 7.0, 3.0, entropy) for _ in range(300)]
    for block in BLOCKS:
        noise = np.concatenate([one[f"summary.{block.name}"] for one in drawn])
        assert noise.std() == pytest.approx(3 * (1 + ROUNDING) * block.bound / block.weight, rel=0.06)


def test_an_empty_record_adds_nothing() -> None:
    nobody = Subject("none", np.zeros((4, *SHAPE), np.float32), np.zeros(SHAPE, np.uint8),
                     Contrast(np.zeros((6, 4), np.float32), np.zeros(6, bool)))
    assert not patient_vectors(nobody, 7.0)["deviation"].any()


def test_bins_by_volume_kind_and_place() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    assert tumour_bins(labels, 10.0)["volume"].argmax() == tumour_bins(labels, 10.0)["kind"].argmax() == 0
    assert not tumour_bins(labels, 10.0)["place"].any()
    labels[6:8, 1:3, 5:7] = OEDEMA  # 8 ml: right, behind, above
    found = tumour_bins(labels, 10.0)
    assert (found["volume"].argmax(), found["kind"].argmax(), found["place"].argmax()) == (1, 2, 1 + 4)
    labels[6, 1, 5], labels[6, 1, 6] = NECROTIC, ENHANCING
    labels[0:5, 0:3, 0:2] = OEDEMA
    found = tumour_bins(labels, 10.0)
    assert (found["volume"].argmax(), found["kind"].argmax(), found["place"].argmax()) == (3, 7, 0)
    assert all(vector.sum() == 1 for vector in found.values())


def site(count: int) -> tuple[list[Subject], np.ndarray]:
    rng = np.random.default_rng(4)
    centre = np.clip(public_contrast()[0] + 0.05, 0, 1)
    members = []
    for k in range(count):
        mean = np.clip(centre + 0.03 * rng.standard_normal((6, 4)), 0, 1).astype(np.float32)
        members.append(Subject(str(k), np.zeros((4, *SHAPE), np.float32), patient(k).labels,
                               Contrast(mean, np.ones(6, bool))))
    return members, centre


def test_without_noise_the_contrast_is_the_patients_own_and_with_noise_alone_it_is_public() -> None:
    members, centre = site(60)
    exact = contrast_of(noised_summary(members, 7.0, 1e-6, NoEntropy()), 60, 1e-6)
    np.testing.assert_allclose(exact["contrast.mean"], centre, atol=0.02)
    np.testing.assert_allclose(np.median(exact["contrast.spread"]), 0.03, atol=0.005)
    assert list(exact["contrast.count"]) == [60] * 6
    drowned = contrast_of(noised_summary(members, 7.0, 1e5, SeededEntropy(2)), 60, 1e5)
    np.testing.assert_allclose(drowned["contrast.mean"], public_contrast()[0], atol=0.02)


def test_public_knowledge_makes_a_noised_mean_better() -> None:
    members, centre = site(50)
    errors = []
    for seed in range(20):
        told = noised_summary(members, 7.0, 4.0, SeededEntropy(seed))
        plain = public_contrast()[0] + told["summary.deviation"].reshape(6, 4) / 50
        errors.append([np.abs(found - centre).mean() for found in (contrast_of(told, 50, 4.0)["contrast.mean"], plain)])
    estimated, plain_error = np.mean(errors, axis=0)
    assert estimated < 0.75 * plain_error
    assert estimated < 0.08
