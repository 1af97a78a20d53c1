from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.conditions import one_hot, positions
from fl_components.networks.generator import Generator, draw_noise
from fl_components.networks.precision import choose_precision
from fl_components.networks.slabs import images_in_slabs

PLAIN = choose_precision("float32")


def generator(levels: int, extent: tuple[int, int, int] | None = None) -> Generator:
    torch.manual_seed(levels)
    made = Generator(tuple(4 + 2 * level for level in range(levels)), 4, extent=extent).eval()
    with torch.no_grad():
        made.head.weight *= 10  # as after training: what is learned is no longer small
    return PLAIN.place(made)


@torch.inference_mode()
def both_ways(network: Generator, shape: tuple[int, int, int], planes: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(7, shape, generator=rng)
    contrast, noise = torch.rand(1, VECTOR_SIZE, generator=rng), draw_noise(1, 4, shape, rng)
    whole = network(one_hot(labels[None]), contrast, noise)[0]
    return whole, images_in_slabs(network, labels, contrast, noise, PLAIN, planes * shape[1] * shape[2])


@settings(max_examples=25)
@given(st.tuples(st.integers(9, 33), st.integers(8, 13), st.integers(8, 13)), st.integers(1, 40), st.integers(2, 4))
def test_slabs_give_what_the_whole_gives_at_any_size(shape: tuple[int, int, int], planes: int, levels: int) -> None:
    whole, slabs = both_ways(generator(levels), shape, planes)
    torch.testing.assert_close(slabs, whole, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_without_grain_it_is_what_the_generator_expects() -> None:
    network, shape, rng = generator(3), (21, 10, 9), torch.Generator().manual_seed(1)
    labels = torch.randint(7, shape, generator=rng)
    contrast, noise = torch.rand(1, VECTOR_SIZE, generator=rng), draw_noise(1, 4, shape, rng)
    parts = network.parts(one_hot(labels[None]), contrast, noise)
    slabs = images_in_slabs(network, labels, contrast, noise, PLAIN, 4 * 90, grain=False)
    torch.testing.assert_close(slabs, parts.expected[0], atol=1e-5, rtol=1e-5)
    assert parts.grain.abs().max() > 0.01


def test_with_coordinates_too() -> None:
    shape = (21, 10, 9)
    whole, slabs = both_ways(generator(3, extent=shape), shape, 4)
    torch.testing.assert_close(slabs, whole, atol=1e-5, rtol=1e-5)
    other, _ = both_ways(generator(3, extent=(99, 99, 99)), shape, 4)
    assert (other - whole).abs().max() > 1e-3


@torch.inference_mode()
def test_tiles_that_do_not_know_their_neighbours_show_seams_where_slabs_show_none() -> None:
    network, shape, planes = generator(4), (48, 12, 12), 12
    whole, slabs = both_ways(network, shape, planes)
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(7, shape, generator=rng)
    contrast, noise = torch.rand(1, VECTOR_SIZE, generator=rng), draw_noise(1, 4, shape, rng)
    tiles = torch.cat([network(one_hot(labels[None, first:first + planes]), contrast, noise._replace(
        texture=noise.texture[:, :, first:first + planes]))[0] for first in range(0, 48, planes)], dim=1)
    seams, inner = [11, 12, 23, 24, 35, 36], [5, 6, 17, 18, 29, 30]
    tiled, ours = ((found - whole).abs().mean(dim=(0, 2, 3)) for found in (tiles, slabs))
    assert tiled[seams].mean() > 1.5 * tiled[inner].mean()
    assert tiled[seams].min() > 0.01
    assert ours.max() < 1e-5


@pytest.mark.parametrize("origin", [(0, 0, 0), (3, 0, 5)])
def test_a_voxel_has_the_same_place_in_a_patch_as_in_the_whole(origin: tuple[int, int, int]) -> None:
    extent = (9, 8, 11)
    whole = positions(torch.zeros(2, 1, *extent), (0, 0, 0), extent)
    x, y, z = origin
    part = positions(torch.zeros(2, 1, 4, 5, 6), origin, extent)
    torch.testing.assert_close(part, whole[:, :, x:x + 4, y:y + 5, z:z + 6])
    assert (whole.amin().item(), whole.amax().item()) == (-1, 1)
