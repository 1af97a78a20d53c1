from __future__ import annotations

import pytest
import torch

from fl_components.networks.conditions import averaged
from fl_components.networks.grain import REACH, SCALES, scales_of

SHAPE = (40, 40, 40)
INNER = (..., *[slice(2 * REACH, -2 * REACH)] * 3)


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
    lags = [(scale[..., 1:] * scale[..., :-1]).mean().item() for scale in scales_of(white(1)).unbind(1)]
    assert lags == sorted(lags)
    assert lags[0] == pytest.approx(0, abs=0.02)
    assert lags[-1] > 0.7


def test_averaging_reaches_one_voxel() -> None:
    point = torch.zeros(1, 1, 5, 5, 5)
    point[..., 2, 2, 2] = 1
    found = averaged(point, 0.2)
    assert found.sum().item() == pytest.approx(1)
    assert found[..., 0, :, :].abs().max() == 0
    assert found[..., 2, 2, 2].item() == pytest.approx(0.6**3)
