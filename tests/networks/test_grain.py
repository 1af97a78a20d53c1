from __future__ import annotations

import pytest
import torch

from fl_components.networks.grain import REACH, SCALES, STRENGTHS, mixed, scales_of

SHAPE = (48, 48, 48)
INNER = (..., *[slice(REACH, -REACH)] * 3)


def white(seed: int, channels: int = 2) -> torch.Tensor:
    return torch.randn(1, channels, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_every_scale_has_unit_variance_and_the_first_is_white_noise_itself() -> None:
    texture = white(0)
    scales = scales_of(texture)
    assert scales.shape == (1, SCALES, 2, *SHAPE)
    torch.testing.assert_close(scales[:, 0], texture)
    for scale in scales.unbind(1):
        assert scale[INNER].std().item() == pytest.approx(1, abs=0.06)


def test_coarser_noise_is_more_like_its_neighbours() -> None:
    inner = [scale[INNER] for scale in scales_of(white(1)).unbind(1)]
    lags = [(scale[..., 1:] * scale[..., :-1]).mean().item() for scale in inner]
    assert lags == sorted(lags)
    assert lags[0] == pytest.approx(0, abs=0.02)
    assert lags[-1] > 0.8


def test_wanted_planes_are_the_whole_s() -> None:
    texture = white(4)
    assert torch.equal(scales_of(texture, slice(3, 11)), scales_of(texture)[:, :, :, 3:11])


def test_sequences_share_the_coarsest_noise_alone() -> None:
    """Strengths of one kind at a time: own fields leave sequences unlike, a field that is in all makes them one."""
    n, scales = 4, scales_of(white(2, 4))
    own, shared = torch.zeros(2, 1, STRENGTHS, 1, 1, 1)
    own[:, :(SCALES - 1) * n] = 1
    shared[:, (SCALES - 1) * n:(SCALES - 1) * n + n] = 1
    everywhere = torch.ones(1, 1, *SHAPE)
    apart, one = (mixed(strengths, scales, everywhere)[INNER][0].flatten(1) for strengths in (own, shared))
    assert mixed(shared, scales, 0 * everywhere).abs().max() == 0
    torch.testing.assert_close(one, scales[:, -1, :1][INNER][0].flatten(1).expand(n, -1))
    assert torch.corrcoef(apart).fill_diagonal_(0).abs().max() < 0.1
