from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.conditions import one_hot, paint
from fl_components.networks.partial_volume import REACH, PartialVolume

SHAPE = (9, 10, 11)
OEDEMA, WHITE = 5, 3


def trained(seed: int) -> PartialVolume:
    """With any numbers that a training could have given."""
    made, rng = PartialVolume(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.weights += 0.02 * torch.randn(made.weights.shape, generator=rng)
    return made


def labels(seed: int, shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    return torch.randint(0, 7, (1, *shape), generator=torch.Generator().manual_seed(seed))


def contrasts(seed: int) -> torch.Tensor:
    return torch.rand(1, VECTOR_SIZE, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_fractions_are_of_the_brain_and_sum_to_one(seed: int) -> None:
    anatomy = one_hot(labels(seed))
    fractions = trained(seed).fractions(anatomy)
    assert fractions.min() >= 0
    torch.testing.assert_close(fractions.sum(dim=1), 1 - anatomy[:, 0])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_one_tissue_shows_its_contrast_and_nothing_of_the_background(seed: int) -> None:
    alone, contrast = labels(seed).clamp(max=1) * WHITE, contrasts(seed)
    torch.testing.assert_close(trained(seed)(one_hot(alone), contrast), paint(one_hot(alone), contrast))


def test_a_border_averages_what_lies_on_both_sides() -> None:
    halves = torch.full((1, *SHAPE), WHITE)
    halves[:, 5:] = OEDEMA
    contrast = contrasts(3)
    low, high = contrast[0, 4 * (WHITE - 1)].item(), contrast[0, 4 * (OEDEMA - 1)].item()
    profile = PartialVolume()(one_hot(halves), contrast)[0, 0, :, 5, 5].detach()
    share = (profile - low) / (high - low)
    assert 0.1 < share[4] < 0.16  # .12 at the finest scale, a little of the coarser ones
    torch.testing.assert_close(share[1:] + share[1:].flip(0), torch.ones(8))  # neither tissue reaches further
    assert torch.equal(share, share.sort().values)


def test_nothing_depends_on_more_than_its_neighbourhood() -> None:
    """So that an edit changes what is near it, and a slab gives what the whole does."""
    before, contrast, module = labels(1, (21, 5, 5)), contrasts(1), trained(1)
    after = before.clone()
    after[:, 10] = (after[:, 10] + 1) % 7
    moved = (module(one_hot(after), contrast) - module(one_hot(before), contrast)).abs().amax(dim=(0, 1, 3, 4))
    assert moved[10 - REACH:11 + REACH].min() > 0
    assert moved[:10 - REACH].max() == 0
    assert moved[11 + REACH:].max() == 0


def test_it_learns_that_oedema_reaches_beyond_its_label_in_a_few_steps() -> None:
    """Against a convolution's rate of 4e-4, from balls whose true extent is a voxel wider than they are drawn."""
    centre = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in (15, 15, 15)), indexing="ij"))
    radius = torch.from_numpy(np.linalg.norm(centre, axis=0))
    drawn = torch.where(radius < 4, OEDEMA, WHITE)[None]
    contrast, module = contrasts(5), PartialVolume()
    wanted = paint(one_hot(torch.where(radius < 5, OEDEMA, WHITE)[None]), contrast)
    optimiser = torch.optim.Adam(module.parameters(), 4e-4, (0.5, 0.999))
    missed = [_step(module, optimiser, one_hot(drawn), contrast, wanted) for _ in range(60)]
    assert missed[-1] < 0.75 * missed[0]


def _step(module: PartialVolume, optimiser: torch.optim.Optimizer, anatomy: torch.Tensor, contrast: torch.Tensor,
          wanted: torch.Tensor) -> float:
    error = (module(anatomy, contrast) - wanted).abs().mean()
    optimiser.zero_grad()
    error.backward()
    optimiser.step()
    return float(error.detach())
