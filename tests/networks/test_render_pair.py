from __future__ import annotations

import numpy as np
import pytest
import torch

from fl_components.contrast import Contrast
from fl_components.networks.generator import Generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render, render_pair

SHAPE = (8, 8, 64)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(3)
    made = Generator((4, 6), 4).eval()
    with torch.no_grad():
        made.head.weight *= 10  # as after training: what is learned is no longer small
    return made


def anatomies() -> tuple[np.ndarray, np.ndarray]:
    before = np.full(SHAPE, 3, np.uint8)
    before[0] = 0
    after = before.copy()
    after[2:6, 2:6, 2:6] = 5
    return before, after


def contrast() -> Contrast:
    return Contrast(np.linspace(0.2, 0.8, 24, dtype=np.float32).reshape(6, 4), np.ones(6, bool))


def test_before_is_what_rendering_it_alone_gives(generator: Generator) -> None:
    before, after = anatomies()
    precision = choose_precision("float32")
    first, _ = render_pair(generator, before, after, contrast(), torch.Generator().manual_seed(1), precision)
    alone = render(generator, before, contrast(), torch.Generator().manual_seed(1), precision)
    np.testing.assert_array_equal(first, alone)


def test_no_edit_changes_no_voxel(generator: Generator) -> None:
    before, _ = anatomies()
    first, second = render_pair(generator, before, before, contrast(), torch.Generator().manual_seed(1),
                                choose_precision("float32"))
    np.testing.assert_array_equal(first, second)


def test_beyond_the_networks_sight_of_the_edit_nothing_changes(generator: Generator) -> None:
    before, after = anatomies()
    first, second = render_pair(generator, before, after, contrast(), torch.Generator().manual_seed(1),
                                choose_precision("float32"))
    sight = 12  # voxels: of two levels, one convolution after the other
    np.testing.assert_allclose(first[..., 6 + sight:], second[..., 6 + sight:], atol=1e-6)
    assert np.abs(first - second)[:, 2:6, 2:6, 2:6].mean() > 0.01
