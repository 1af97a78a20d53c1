from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_components.contrast import VECTOR_SIZE
from fl_components.networks.admixture import FIELDS, Admixture, directions
from fl_components.networks.conditions import one_hot
from fl_components.networks.grain import SCALES, scales_of
from fl_components.vocabulary import HEALTHY, N_TISSUES, SEQUENCES, TUMOUR

SHAPE = (20, 22, 24)
WHITE = 3


def fields(seed: int) -> torch.Tensor:
    return scales_of(torch.randn(1, FIELDS, *SHAPE, generator=torch.Generator().manual_seed(seed)))


def contrasts(seed: int, absent: int | None = None) -> torch.Tensor:
    drawn = torch.rand(1, VECTOR_SIZE, generator=torch.Generator().manual_seed(seed))
    drawn[:, -N_TISSUES:] = 1
    if absent is not None:
        drawn[:, 4 * (absent - 1):4 * absent] = 0
        drawn[:, -N_TISSUES + absent - 1] = 0
    return drawn


def labels(seed: int) -> torch.Tensor:
    return torch.randint(0, 7, (1, *SHAPE), generator=torch.Generator().manual_seed(seed))


def naive(module: Admixture, anatomy: np.ndarray, contrast: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Voxel by voxel, as the formula says."""
    amounts, made = 50 * module.weights.detach().numpy(), np.zeros((4, *anatomy.shape))
    means, present = contrast[:24].reshape(6, 4), contrast[24:]
    for place in np.ndindex(*anatomy.shape):
        for group in (HEALTHY, TUMOUR):
            if anatomy[place] in group:
                own = anatomy[place] - 1
                for kind, other in enumerate(group):
                    amount = amounts[:, own, kind] @ scales[(slice(1, None), kind, *place)]
                    toward = (means[other - 1] - means[own]) * present[other - 1] * present[own]
                    made[(slice(None), *place)] += amount * toward
    return made


def test_it_is_the_sum_over_scales_and_tissues_that_a_loop_gives() -> None:
    module, shape = Admixture(), (3, 4, 5)
    with torch.no_grad():
        module.weights += 0.002 * torch.randn(module.weights.shape, generator=torch.Generator().manual_seed(1))
    drawn, contrast, scales = labels(2)[:, :3, :4, :5], contrasts(3, absent=5), fields(4)[..., :3, :4, :5]
    found = module(one_hot(drawn), contrast, scales)[0].detach().numpy()
    np.testing.assert_allclose(found, naive(module, drawn[0].numpy(), contrast[0].numpy(), scales[0].numpy()),
                               atol=1e-6)
    assert found.shape == (len(SEQUENCES), *shape)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_a_voxel_moves_along_the_contrast_between_tissues_and_the_background_not_at_all(seed: int) -> None:
    """Two healthy tissues: in white matter all sequences move together, towards grey matter or away from it."""
    contrast = contrasts(seed, absent=1)
    added = Admixture()(one_hot(labels(seed)), contrast, fields(seed))[0].detach()
    white = added[:, labels(seed)[0] == WHITE]
    toward = (contrast[0, 4:8] - contrast[0, 8:12])[:, None]
    torch.testing.assert_close(white, toward * (toward * white).sum(dim=0) / (toward**2).sum(), atol=1e-5, rtol=1e-3)
    assert added[:, labels(seed)[0] == 0].abs().max() == 0


def test_tissues_without_a_contrast_mix_into_none() -> None:
    alone = contrasts(0)
    alone[:, -N_TISSUES:] = 0
    alone[:, -N_TISSUES + WHITE - 1] = 1
    assert directions(alone).abs().max() == 0
    assert Admixture()(one_hot(labels(0)), alone, fields(0)).abs().max() == 0


def test_a_tissue_holds_nothing_of_itself() -> None:
    found = directions(contrasts(5))
    for group in (HEALTHY, TUMOUR):
        for kind, label in enumerate(group):
            assert found[0, label - 1, kind].abs().max() == 0


def test_it_learns_how_much_there_is_in_a_few_steps() -> None:
    """Against a convolution's rate of 4e-4, from the variance alone."""
    module, contrast = Admixture(), contrasts(7)
    anatomy = one_hot(torch.full((1, *SHAPE), WHITE))
    wanted, optimiser = 0.03, torch.optim.Adam(module.parameters(), 4e-4, (0.5, 0.999))
    for step in range(60):
        missed = (module(anatomy, contrast, fields(step)).var() - wanted).abs()
        optimiser.zero_grad()
        missed.backward()
        optimiser.step()
    assert module(anatomy, contrast, fields(99)).var().item() == pytest.approx(wanted, rel=0.3)
    assert module.weights.shape == (SCALES - 1, N_TISSUES, FIELDS)
