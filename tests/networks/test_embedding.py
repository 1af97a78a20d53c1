from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.contrast import Contrast, paint
from fl_components.networks.embedding import (
    GRID,
    VECTOR_SIZE,
    WEIGHTS,
    EmbeddingSpace,
    build_embedding,
    load_embedding,
    save_embedding,
    standardised,
    to_own_grid,
)
from fl_components.study import PRESETS, Grid
from privacy_eval.errors import InputError
from privacy_eval.spaces.images import Picture
from privacy_eval.spaces.space import Space

FINER = Grid(shape=(64, 72, 56), spacing_mm=2.8)
COARSER = Grid(shape=(24, 28, 24), spacing_mm=7.0)


def picture(seed: int, grid: Grid = GRID) -> Picture:
    rng = np.random.default_rng(seed)
    labels = AnatomySampler(grid).sample(rng).labels
    contrast = Contrast(np.random.default_rng(0).uniform(0.1, 1, (6, 4)).astype(np.float32), np.ones(6, bool))
    return Picture(paint(labels, contrast), labels)


@pytest.fixture(scope="module")
def shipped() -> EmbeddingSpace:
    return EmbeddingSpace.shipped(GRID)


def test_the_shipped_space_is_a_space_of_unit_vectors(shipped: EmbeddingSpace) -> None:
    space: Space = shipped
    vectors = space.map(picture(seed) for seed in range(2))
    assert space.name == "embedding"
    assert (vectors.shape, vectors.dtype) == ((2, VECTOR_SIZE), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert space.map([]).shape == (0, VECTOR_SIZE)


def test_the_shipped_file_is_small_says_where_it_comes_from_and_has_the_digest(shipped: EmbeddingSpace) -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) < 1_000_000
    assert hashlib.sha256(content).hexdigest() == shipped.digest
    header = content[8:8 + int.from_bytes(content[:8], "little")].decode()
    for word in ("fedsynth pretrain embedding --seed 0", "torch", "numpy", "simulated subjects"):
        assert word in header


def test_gain_of_a_sequence_does_not_count(shipped: EmbeddingSpace) -> None:
    images = picture(3).images
    gains = np.array([3, 0.5, 100, 1], np.float32)[:, None, None, None]
    first, second = shipped.map([Picture(images, None), Picture(images * gains, None)])
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_a_vector_does_not_depend_on_the_other_pictures(shipped: EmbeddingSpace) -> None:
    alone = shipped.map([picture(1)])[0]
    np.testing.assert_array_equal(shipped.map([picture(2), picture(1)])[1], alone)


def test_a_blurred_noisy_mirrored_copy_is_nearest_to_its_own_person(shipped: EmbeddingSpace) -> None:
    people = [picture(seed).images for seed in range(12)]
    rng = np.random.default_rng(1)
    copies = [Picture((person[:, ::-1] + 0.05 * rng.standard_normal(person.shape)).astype(np.float32), None)
              for person in people]
    distances = np.linalg.norm(shipped.map(copies)[:, None] - shipped.map(Picture(p, None) for p in people), axis=2)
    assert (distances.argmin(axis=1) == np.arange(12)).mean() >= 0.75


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_grid_is_taken(preset: str) -> None:
    grid = Grid.model_validate(PRESETS[preset]["grid"])
    vectors = EmbeddingSpace.shipped(grid).map([Picture(np.ones((4, *grid.shape), np.float32), None)])
    assert np.isfinite(vectors).all()


def test_one_person_on_two_grids_is_nearer_than_another_person(shipped: EmbeddingSpace) -> None:
    coarse = [np.repeat(np.repeat(np.repeat(picture(seed).images, 2, 1), 2, 2), 2, 3) for seed in range(4)]
    fine_grid = Grid(shape=tuple(2 * n for n in GRID.shape), spacing_mm=2.0)  # type: ignore[arg-type]
    fine = EmbeddingSpace.shipped(fine_grid).map(Picture(images, None) for images in coarse)
    distances = np.linalg.norm(fine[:, None] - shipped.map(picture(seed) for seed in range(4)), axis=2)
    assert (distances.argmin(axis=1) == np.arange(4)).all()


@pytest.mark.parametrize("grid", [FINER, COARSER, GRID])
def test_resampling_keeps_linear_ramps_in_millimetres(grid: Grid) -> None:
    def ramp(of: Grid) -> np.ndarray:
        x, y, z = (of.affine[a, 3] + of.spacing_mm * np.arange(of.shape[a]) for a in range(3))
        return (x[:, None, None] + 2 * y[:, None] - z).astype(np.float32)[None]

    inside = (slice(None), *(slice(8, -8),) * 3)
    # towards coarser voxels the triangle's samples are not always symmetric about the voxel: a fraction of a voxel
    np.testing.assert_allclose(to_own_grid(ramp(grid), grid)[inside], ramp(GRID)[inside], atol=0.6)


def test_resampling_keeps_constants_inside_and_zeros_outside() -> None:
    small = Grid(shape=(10, 10, 10), spacing_mm=2.8)
    found = to_own_grid(np.ones((1, 10, 10, 10), np.float32), small)[0]
    assert found[20, 24, 20] == pytest.approx(1)
    assert found[0, 0, 0] == 0
    own = np.random.default_rng(0).random((4, *GRID.shape), np.float32)
    np.testing.assert_allclose(to_own_grid(own, GRID), own, atol=1e-6)


def test_standardised_sequences_and_constant_ones() -> None:
    images = torch.rand(2, 4, 5, 6, 7, generator=torch.Generator().manual_seed(0)) * 7 + 3
    images[1, 2] = 5
    found = standardised(images)
    torch.testing.assert_close(found[0].mean(dim=(1, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[0].std(dim=(1, 2, 3), correction=0), torch.ones(4))
    assert (found[1, 2] == 0).all()


def test_weights_come_back_and_equal_weights_make_equal_files(tmp_path: Path) -> None:
    network = build_embedding(5)
    about = {"seed": "5", "command": "test", "torch": "x"}
    digests = {save_embedding(network, tmp_path / name, about) for name in ("a.safetensors", "b.safetensors")}
    loaded, digest = load_embedding(tmp_path / "a.safetensors")
    assert digests == {digest}
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_bad_pictures_and_files_are_one_line(tmp_path: Path, shipped: EmbeddingSpace) -> None:
    with pytest.raises(InputError, match=r"found shape \(3, 40, 48, 40\)"):
        shipped.map([Picture(np.zeros((3, *GRID.shape), np.float32), None)])
    with pytest.raises(InputError, match="not finite"):
        shipped.map([Picture(np.full((4, *GRID.shape), np.nan, np.float32), None)])
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"nonsense")
    for path in (damaged, tmp_path / "missing.safetensors"):
        with pytest.raises(InputError, match="fedsynth pretrain embedding") as caught:
            load_embedding(path)
        assert "\n" not in str(caught.value)
