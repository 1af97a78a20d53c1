from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, paint
from fl_components.networks.labeller import WEIGHTS, Labeller, build_labeller, network_input, shipped_labeller
from fl_components.networks.shipped import save_network
from fl_components.study import Grid
from fl_components.vocabulary import GREY_MATTER, N_LABELS, SEQUENCES, WHITE_MATTER
from privacy_eval.errors import InputError

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)
CONTRAST = np.array([[.20, .20, .95, .15], [.50, .52, .55, .60], [.75, .76, .40, .48],
                     [.35, .35, .85, .45], [.45, .46, .80, .90], [.50, .95, .65, .70]], np.float32)
ALL = np.ones(len(SEQUENCES), bool)


def simulated(seed: int, tumour: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Images and anatomy of a painted, noisy subject."""
    rng = np.random.default_rng(seed)
    labels = AnatomySampler(GRID).sample(rng, tumour).labels
    images = paint(labels, Contrast(CONTRAST, np.ones(6, bool))) + 0.03 * rng.standard_normal((4, *GRID.shape))
    return (np.clip(images, 0.02, 1) * (labels > 0)).astype(np.float32), labels


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return 2 * float((found & truth).sum()) / float(found.sum() + truth.sum())


def test_what_is_missing_is_zero_in_image_and_mask() -> None:
    images = torch.rand(2, 4, 5, 6, 7) + 0.1
    images[:, :, 0] = 0
    available = torch.tensor([[True, True, False, True], [False, False, True, False]])
    given = network_input(images, available)
    for subject, sequence in product(range(2), range(4)):
        there = bool(available[subject, sequence])
        assert bool(given[subject, sequence].any()) == there
        assert torch.equal(given[subject, 4 + sequence], (images[subject, sequence] > 0).float() * there)


def test_what_lies_in_a_missing_sequence_does_not_count() -> None:
    images, _ = simulated(0)
    garbage = images.copy()
    garbage[1:] = np.random.default_rng(1).random(garbage[1:].shape)
    t1 = np.array([True, False, False, False])
    labeller = shipped_labeller()
    np.testing.assert_array_equal(labeller.probabilities(garbage, t1), labeller.probabilities(images, t1))


@pytest.mark.parametrize("shape", [(40, 48, 40), (24, 28, 22), (9, 17, 33)])
def test_any_shape_gives_probabilities(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).random((4, *shape), np.float32)
    found = shipped_labeller().probabilities(images, ALL)
    assert (found.shape, found.dtype) == ((N_LABELS, *shape), np.float32)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-3)


def test_a_mirrored_scan_has_the_mirrored_anatomy() -> None:
    images, _ = simulated(1)
    straight = shipped_labeller().probabilities(images, ALL)
    mirrored = shipped_labeller().probabilities(np.ascontiguousarray(images[:, ::-1]), ALL)
    np.testing.assert_allclose(mirrored[:, ::-1], straight, atol=1e-5)


def test_the_caller_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    shipped_labeller().probabilities(np.ones((4, 8, 8, 8), np.float32), ALL)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("available", [ALL, *np.eye(4, dtype=bool)])
def test_grey_and_white_matter_are_told_apart_by_any_sequence(available: np.ndarray) -> None:
    images, labels = simulated(2)
    found = shipped_labeller().probabilities(images, available).argmax(axis=0)
    assert dice(found == GREY_MATTER, labels == GREY_MATTER) > 0.6
    assert dice(found == WHITE_MATTER, labels == WHITE_MATTER) > 0.6


def test_a_tumour_is_found_and_none_where_there_is_none() -> None:
    images, labels = simulated(3)
    found = shipped_labeller().probabilities(images, ALL).argmax(axis=0)
    assert dice(found > WHITE_MATTER, labels > WHITE_MATTER) > 0.6
    images, _ = simulated(4, tumour=False)
    healthy = shipped_labeller().probabilities(images, ALL).argmax(axis=0)
    assert (healthy > WHITE_MATTER).sum() < 0.02 * (healthy > 0).sum()


def test_the_shipped_file_is_small_says_where_it_comes_from_and_has_the_digest() -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) < 3_000_000
    assert hashlib.sha256(content).hexdigest() == shipped_labeller().digest
    header = content[8:8 + int.from_bytes(content[:8], "little")].decode()
    for word in ("fedsynth pretrain labeller --seed 0", "torch", "numpy", "simulated subjects", "no scan"):
        assert word in header


def test_weights_come_back(tmp_path: Path) -> None:
    network = build_labeller(5)
    digest = save_network(network, tmp_path / "a.safetensors", {"seed": "5"})
    loaded = Labeller.from_file(tmp_path / "a.safetensors")
    assert loaded.digest == digest
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.network.state_dict()[name].float().contiguous(), tensor, rtol=0, atol=0)


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    damaged, other = tmp_path / "damaged.safetensors", tmp_path / "other.safetensors"
    damaged.write_bytes(b"nonsense")
    save_network(torch.nn.Linear(2, 2), other, {})
    for path in (damaged, other, tmp_path / "missing.safetensors"):
        with pytest.raises(InputError, match="fedsynth pretrain labeller") as caught:
            Labeller.from_file(path)
        assert "\n" not in str(caught.value)
