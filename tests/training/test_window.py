from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.cohort.subject import Subject
from fl_components.contrast import VECTOR_SIZE, Contrast
from fl_components.networks.build import build_discriminator, build_generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.weights import weights_of
from fl_components.study import Augmentation, Grid, Study
from fl_components.training.augment import augment
from fl_components.training.batch import Batch
from fl_components.training.gan_step import GanStep
from fl_components.training.local import LocalTrainer
from fl_components.training.window import Window
from privacy_eval.errors import InputError

GRID = Grid(shape=(36, 34, 33), spacing_mm=5.0)


def batch(seed: int, size: int = 2) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(7, (size, *GRID.shape), generator=rng)
    images = torch.rand(size, 4, *GRID.shape, generator=rng) * (labels > 0)[:, None]
    return Batch(images, labels, torch.rand(size, VECTOR_SIZE, generator=rng))


def members(count: int) -> list[Subject]:
    drawn = batch(5, count)
    contrast = Contrast(np.full((6, 4), 0.5, np.float32), np.ones(6, bool))
    return [Subject(str(k), images.numpy(), labels.numpy().astype(np.uint8), contrast)
            for k, (images, labels) in enumerate(zip(drawn.images, drawn.labels, strict=True))]


def study(**training: object) -> Study:
    return Study.parse({"name": "patches", "preset": "tiny", "seed": 0, "sites": {"one": 1.0},
                        "grid": GRID.model_dump(),
                        "network": {"generator_channels": [4, 6], "discriminator_channels": 4, "coordinates": True},
                        "training": training}, "study.toml")


@settings(max_examples=20)
@given(st.integers(0, 99), st.tuples(st.integers(1, 36), st.integers(1, 34), st.integers(1, 33)))
def test_a_warped_patch_is_that_part_of_the_warped_whole(seed: int, patch: tuple[int, int, int]) -> None:
    window = Window.draw(GRID, patch, torch.Generator().manual_seed(seed))
    whole, part = (augment(batch(seed), Augmentation(), GRID, torch.Generator().manual_seed(seed), where)
                   for where in (None, window))
    for of_whole, of_part in zip(window.cut(whole), part, strict=True):
        torch.testing.assert_close(of_part, of_whole)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_patches_lie_on_the_grid_and_reach_its_ends(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    drawn = [Window.draw(GRID, (30, 30, 30), rng) for _ in range(200)]
    for axis, whole in enumerate(GRID.shape):
        firsts = {window.origin[axis] for window in drawn}
        assert (min(firsts), max(firsts)) == (0, whole - 30)


def test_no_patch_draws_nothing_and_cuts_nothing() -> None:
    rng = torch.Generator().manual_seed(3)
    before = rng.get_state()
    window = Window.draw(GRID, None, rng)
    assert torch.equal(rng.get_state(), before)
    torch.testing.assert_close(window.cut(batch(1)), batch(1))


def test_a_step_on_a_patch_sees_where_it_is() -> None:
    made = study(patch=(32, 32, 32), rounds=1, local_steps=1)
    losses = []
    for origin in ((0, 0, 0), (4, 2, 1)):
        torch.manual_seed(0)
        generator = build_generator(made)
        step = GanStep(generator, build_discriminator(made, 1), made.training, choose_precision("float32"))
        losses.append(step(Window((0, 0, 0), (32, 32, 32)).cut(batch(1, 1)), torch.Generator().manual_seed(0), origin))
    assert losses[0].discriminator != losses[1].discriminator


def test_a_site_trains_on_patches(tmp_path: Path) -> None:
    made = study(patch=(32, 32, 32), rounds=1, local_steps=2)
    weights = weights_of(build_generator(made))
    update = LocalTrainer(made, members(2), tmp_path, 0).train(weights, 0, 2).update
    assert set(update) == set(weights)
    assert max(abs(value).max() for value in update.values()) > 0


@pytest.mark.parametrize(("extra", "message"), [
    ({"training": {"patch": [8, 8, 99]}}, r"key 'training.patch': \[8, 8, 99\] exceeds the grid's"),
    ({"training": {"patch": [8, 8]}}, "training.patch"),
    ({"training": {"patch": [32, 16, 32]}}, r"\[32, 16, 32\], expected at least 32 voxels"),
    ({"training": {"patch": [32, 32, 32]}, "privacy": {"mode": "private"}}, "found one in a private study"),
])
def test_a_patch_that_cannot_be_is_refused(extra: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.parse({"name": "patches", "preset": "tiny", "seed": 0, "sites": {"one": 1.0}, **extra}, "study.toml")
