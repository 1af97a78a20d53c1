from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from fl_components.networks.blocks import RisingConv
from fl_components.networks.doubling import convolve_doubled

SIDE = st.integers(1, 5)


def doubled(coarse: torch.Tensor) -> torch.Tensor:
    return F.interpolate(coarse, scale_factor=2, mode="nearest")


@settings(max_examples=30)
@given(st.tuples(SIDE, SIDE, SIDE), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_it_is_the_convolution_of_the_doubled_volume(shape: tuple[int, int, int], inputs: int, outputs: int,
                                                     odd: bool) -> None:
    torch.manual_seed(0)
    coarse, weight = torch.randn(2, inputs, *shape).double(), torch.randn(outputs, inputs, 3, 3, 3).double()
    fine = tuple(2 * side - odd for side in shape)
    expected = F.conv3d(doubled(coarse), weight, padding=1)[:, :, :fine[0], :fine[1], :fine[2]]
    torch.testing.assert_close(convolve_doubled(coarse, weight, fine), expected)


def test_planes_between_neighbours_are_the_whole_s() -> None:
    torch.manual_seed(1)
    coarse, weight = torch.randn(1, 2, 8, 3, 4), torch.randn(5, 2, 3, 3, 3)
    whole = convolve_doubled(coarse, weight, (16, 6, 8))
    torch.testing.assert_close(convolve_doubled(coarse[:, :, 2:6], weight, (4, 6, 8), zeros=0), whole[:, :, 6:10])


def test_gradients_are_those_of_the_plain_convolution() -> None:
    torch.manual_seed(2)
    coarse = torch.randn(1, 2, 3, 4, 2, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, 3, dtype=torch.double, requires_grad=True)
    shape = (6, 8, 4)
    found = [torch.autograd.grad(made.square().sum(), (coarse, weight)) for made in (
        convolve_doubled(coarse, weight, shape), F.conv3d(doubled(coarse), weight, padding=1))]
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("shape", [(6, 4, 8), (5, 7, 3)])
def test_a_rising_block_is_a_block_over_both_inputs_joined(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(3)
    block, style = RisingConv(4, 3, 5), torch.randn(2, 5)
    coarse, skip = torch.randn(2, 4, *((side + 1) // 2 for side in shape)), torch.randn(2, 3, *shape)
    even = [amount for side in reversed(shape) for amount in (0, side % 2)]
    joined = torch.cat([doubled(coarse), F.pad(skip, even)], dim=1)
    found = F.conv3d(joined, block.conv.weight, block.conv.bias, padding=1)[:, :, :shape[0], :shape[1], :shape[2]]
    torch.testing.assert_close(block(coarse, skip, style), block.modulated(found, style), atol=1e-5, rtol=1e-5)
