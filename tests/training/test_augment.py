from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import CONTRAST

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.cohort.subject import Subject
from fl_components.contrast import Contrast, measure_contrast, paint
from fl_components.networks.averaging import averaged
from fl_components.study import Augmentation, Grid
from fl_components.training.augment import as_another_scan, augment
from fl_components.training.batch import Batch, collate, shuffled_batches

GRID = Grid(shape=(24, 28, 24), spacing_mm=7.0)
STILL = Augmentation(flip=False, rotation_degrees=0, scale=0, elastic_mm=0, contrast_jitter=0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_batch() -> Batch:
    labels = AnatomySampler(GRID).sample(np.random.default_rng(3)).labels
    present = np.bincount(labels.ravel(), minlength=7)[1:] > 0
    contrast = Contrast((CONTRAST * present[:, None]).astype(np.float32), present)
    return collate([Subject("a", paint(labels, contrast), labels, contrast)])


def test_no_strength_changes_nothing() -> None:
    batch = make_batch()
    out = augment(batch, STILL, GRID, rng())
    torch.testing.assert_close(out.labels, batch.labels)
    torch.testing.assert_close(out.images, batch.images, atol=1e-4, rtol=0)
    torch.testing.assert_close(out.contrast, batch.contrast)


def test_flip_mirrors_left_and_right() -> None:
    batch = make_batch()
    outs = [augment(batch, STILL.model_copy(update={"flip": True}), GRID, rng(seed)) for seed in range(8)]
    mirrored = [torch.equal(out.labels, batch.labels.flip(1)) for out in outs]
    kept = [torch.equal(out.labels, batch.labels) for out in outs]
    assert any(mirrored)
    assert any(kept)
    assert all(m or k for m, k in zip(mirrored, kept, strict=True))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_image_and_anatomy_move_together(seed: int) -> None:
    """Painted fluid and tumour, warped, are the painting of the warped anatomy, to the last voxel of a border."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.shape), indexing="ij")
    labels = np.where(x**2 + y**2 + z**2 < 0.6, np.where(x + y > 0, 1, 5), 0).astype(np.uint8)
    contrast = Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))
    batch = collate([Subject("halves", paint(labels, contrast), labels, contrast)])
    out = augment(batch, Augmentation(contrast_jitter=0), GRID, rng(seed))
    labels = out.labels[0].numpy()
    assert 0.5 < (labels > 0).sum() / (batch.labels > 0).sum() < 2
    table = np.vstack([np.zeros((1, 4)), CONTRAST]).astype(np.float32)
    np.testing.assert_array_equal(out.images[0].numpy(), np.moveaxis(table[labels], -1, 0))


def test_a_thin_rim_is_as_bright_after_a_warp_as_before() -> None:
    """Its contrast goes with it unchanged, so its median must not move; interpolated, such rims lose a tenth."""
    batch = make_batch()
    still = torch.zeros_like(batch.labels)
    radius = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in GRID.shape), indexing="ij")).norm(dim=0)
    still[0, radius < 0.8], still[0, radius < 0.45], still[0, radius < 0.35] = 3, 6, 4
    images = torch.tensor([0.0, 0, 0, 0.4, 0.2, 0, 0.9])[still][:, None].expand(-1, 4, -1, -1, -1)
    out = augment(Batch(images, still, batch.contrast), Augmentation(contrast_jitter=0), GRID, rng(1))
    rim = out.labels[0] == 6
    assert 50 < rim.sum() < 0.2 * (out.labels > 0).sum()
    assert out.images[0, :, rim].median().item() == pytest.approx(0.9)


def test_white_matter_has_as_much_fine_detail_after_a_warp_as_before() -> None:
    """Of noise that is blurred as a scan's is: interpolated it would be .6 of it, of the nearest voxel alone more."""
    shape = (32, 32, 32)
    grid = Grid(shape=shape, spacing_mm=5.0)
    labels = torch.full((1, *shape), 3)
    noise = averaged(torch.randn(1, 4, *shape, generator=rng(3)), 0.15)
    still = Augmentation(flip=False, contrast_jitter=0)
    out = augment(Batch(0.5 + 0.05 * noise, labels, make_batch().contrast[:1]), still, grid, rng(4))
    inside = out.labels[0] == 3
    both = (0.5 + 0.05 * noise, out.images)
    detail = [(images - averaged(images, 0.21))[0][:, inside].std().item() for images in both]
    assert detail[1] == pytest.approx(detail[0], rel=0.2)


def test_jitter_is_carried_into_the_contrast() -> None:
    batch = make_batch()
    out = augment(batch, STILL.model_copy(update={"contrast_jitter": 0.1}), GRID, rng())
    assert (out.contrast - batch.contrast).abs().max() > 0.02
    measured = measure_contrast(out.images[0].numpy(), out.labels[0].numpy())
    stated = out.contrast[0, :24].reshape(6, 4).numpy()
    np.testing.assert_allclose(measured.mean[measured.present], stated[measured.present], atol=1e-3)
    absent = batch.contrast[0, 24:] == 0
    assert (out.contrast[0, :24].reshape(6, 4)[absent] == 0).all()


def test_draws_come_from_the_given_generator_alone() -> None:
    batch = make_batch()
    first = augment(batch, Augmentation(), GRID, rng(5))
    torch.manual_seed(99)
    second = augment(batch, Augmentation(), GRID, rng(5))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_subject_comes_once_before_any_again(size: int) -> None:
    blank = make_batch()
    subjects = [Subject(str(k), np.full((4, 2, 2, 2), k, np.float32), np.ones((2, 2, 2), np.uint8),
                        Contrast(CONTRAST.astype(np.float32), np.ones(6, bool))) for k in range(6)]
    batches = shuffled_batches(subjects, size, rng())
    seen = [int(v) for _ in range(12 // size) for v in next(batches).images[:, 0, 0, 0, 0]]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert blank.contrast.shape == (1, 30)


def test_another_scan_is_brighter_or_darker_as_a_whole() -> None:
    """Within a sequence intensities keep their order and stay a line of what they were; labels stay, background too."""
    batch = make_batch()
    images = 0.3 + 0.4 * batch.images
    batch = batch._replace(images=images * (batch.labels > 0)[:, None])
    out = as_another_scan(batch, STILL.model_copy(update={"contrast_jitter": 0.05}), GRID, rng())
    brain = batch.labels[0] > 0
    torch.testing.assert_close(out.labels, batch.labels)
    assert (out.images[0][:, ~brain] == 0).all()
    gains = []
    for before, after in zip(batch.images[0][:, brain], out.images[0][:, brain], strict=True):
        gain, offset = np.polyfit(before.numpy(), after.numpy(), 1)
        np.testing.assert_allclose(after.numpy(), gain * before.numpy() + offset, atol=1e-3)
        gains.append(gain)
    assert len(set(np.round(gains, 4))) == len(gains)
    assert all(0.6 < gain < 1.4 for gain in gains)


def test_another_scan_of_no_strength_is_the_same() -> None:
    batch = make_batch()
    torch.testing.assert_close(as_another_scan(batch, STILL, GRID, rng()).images, batch.images, atol=1e-4, rtol=0)
