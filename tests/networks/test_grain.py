from __future__ import annotations

import pytest
import torch

from fl_components.networks.conditions import averaged
from fl_components.networks.grain import REACH, SCALES, TIMES, grain_loss, scales_of, seen_share

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


@pytest.mark.parametrize("own", TIMES)
@pytest.mark.parametrize("times", TIMES)
def test_what_a_scale_sees_of_another_is_what_averaging_its_noise_leaves(own: int, times: int) -> None:
    noise = scales_of(white(2, channels=4))[:, TIMES.index(own)]
    looked_at = scales_of(noise)[:, TIMES.index(times)]
    assert looked_at[INNER].var().item() == pytest.approx(seen_share(own, times), rel=0.12)


def test_the_likelihood_is_best_at_the_strengths_that_made_the_noise() -> None:
    truth = torch.tensor([0.06, 0.03, 0.05])
    noise = torch.zeros(1, 4, *SHAPE)
    for scale, strength in enumerate(truth):
        noise += strength * scales_of(white(3 + scale, channels=4))[:, scale]
    brain = torch.zeros(1, 1, *SHAPE)
    brain[INNER] = 1
    guess = torch.full((SCALES,), 0.04, requires_grad=True)
    optimiser = torch.optim.Adam([guess], 2e-3)
    for _ in range(200):
        loss = grain_loss(noise, guess[None, :, None, None, None, None].expand(1, SCALES, 4, *SHAPE), brain)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(guess.detach(), truth, atol=0.012, rtol=0)


def test_a_flat_sequence_has_a_bounded_likelihood_and_outside_the_brain_nothing_counts() -> None:
    strengths, brain = torch.full((1, SCALES, 2, 9, 9, 9), 0.05), torch.zeros(1, 1, 9, 9, 9)
    brain[..., 2:7, 2:7, 2:7] = 1
    flat = torch.zeros(1, 2, 9, 9, 9)
    assert torch.isfinite(grain_loss(flat, 0 * strengths, brain))
    assert grain_loss(flat, 0 * strengths, brain) < grain_loss(flat, strengths, brain)
    changed = torch.where(brain > 0, strengths, 9.0)
    torch.testing.assert_close(grain_loss(flat, changed, brain), grain_loss(flat, strengths, brain))
    assert grain_loss(flat, strengths, 0 * brain) == 0


def test_averaging_reaches_one_voxel() -> None:
    point = torch.zeros(1, 1, 5, 5, 5)
    point[..., 2, 2, 2] = 1
    found = averaged(point)
    assert found.sum().item() == pytest.approx(1)
    assert found[..., 0, :, :].abs().max() == 0
    assert found[..., 2, 2, 2].item() == pytest.approx(0.58**3)
