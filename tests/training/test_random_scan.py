from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fl_components.anatomy.sampler import AnatomySampler
from fl_components.networks.labeller import network_input
from fl_components.study import Grid
from fl_components.training.labeller import LabellerRecipe, train_labeller
from fl_components.training.random_scan import PATCH, ScanRecipe, draw_available, draw_contrast, random_scans
from fl_components.vocabulary import CSF, SEQUENCES, WHITE_MATTER

GRID = Grid(shape=(72, 88, 72), spacing_mm=2.5)


@pytest.fixture(scope="module")
def anatomies() -> torch.Tensor:
    sampler = AnatomySampler(GRID)
    return torch.from_numpy(np.stack([sampler.sample(np.random.default_rng(seed), bool(seed)).labels
                                      for seed in range(2)]))


def test_scans_are_normalised_and_lack_what_is_missing(anatomies: torch.Tensor) -> None:
    rng = torch.Generator().manual_seed(0)
    for recipe in (ScanRecipe(), ScanRecipe(all_sequences=0, only_t1=1), ScanRecipe(random_contrast=1)):
        scans = random_scans(anatomies, GRID, recipe, rng)
        assert scans.images.shape == (2, 4, *PATCH)
        assert scans.labels.shape == (2, *PATCH)
        assert set(scans.labels.unique().tolist()) <= set(range(7))
        assert 0 <= scans.images.min() <= scans.images.max() <= 1
        assert torch.isfinite(scans.images).all()
        assert torch.equal(scans.images.flatten(2).amax(dim=2) == 1, scans.available)
        assert scans.available.any(dim=1).all()
        brain = (scans.labels > 0).float().mean()
        assert 0.1 < brain < 0.95
        # what is bright is the brain, but for its rim
        bright = network_input(scans.images, scans.available)[:, 4:].amax(dim=1)
        assert 2 * (bright * (scans.labels > 0)).sum() / (bright.sum() + (scans.labels > 0).sum()) > 0.9


def test_the_same_seed_gives_the_same_scans_and_another_gives_others(anatomies: torch.Tensor) -> None:
    first, again, other = (random_scans(anatomies, GRID, ScanRecipe(), torch.Generator().manual_seed(seed))
                           for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, other.labels)


def test_no_scan_lacks_everything_and_the_shares_are_kept() -> None:
    available = draw_available(4000, ScanRecipe(), torch.Generator().manual_seed(0))
    assert available.any(dim=1).all()
    alone = (available.sum(dim=1) == 1) & available[:, SEQUENCES.index("T1")]
    # of the rest one sequence is certain, the others even: 1/8 has all, 1/32 T1 alone
    rest = 1 - 0.35 - 0.2
    assert available.all(dim=1).float().mean() == pytest.approx(0.35 + rest / 8, abs=0.03)
    assert alone.float().mean() == pytest.approx(0.2 + rest / 32, abs=0.03)


def test_contrasts_by_the_signal_equation_are_those_of_real_protocols() -> None:
    recipe = replace(ScanRecipe(), random_contrast=0.0, contrast_jitter=0.0)
    means = np.stack([draw_contrast(np.random.default_rng(seed), recipe) for seed in range(200)])
    t1, t2, flair = (means[:, :, SEQUENCES.index(name)] for name in ("T1", "T2", "FLAIR"))
    assert (t1[:, CSF] < t1[:, WHITE_MATTER]).mean() > 0.95
    assert (t2[:, CSF] > t2[:, WHITE_MATTER]).mean() > 0.95
    assert (flair[:, CSF] < flair[:, WHITE_MATTER]).mean() > 0.9
    random = ScanRecipe(random_contrast=1.0)
    free = np.stack([draw_contrast(np.random.default_rng(seed), random) for seed in range(200)])
    assert 0.3 < (free[:, CSF, 0] < free[:, WHITE_MATTER, 0]).mean() < 0.7


@pytest.mark.slow
def test_the_same_seed_trains_the_same_weights_and_it_learns(anatomies: torch.Tensor) -> None:
    losses: list[float] = []
    recipe = LabellerRecipe(subjects=2)
    first, again = (train_labeller(anatomies.numpy(), recipe, 1, 3, lambda done, loss: losses.append(loss))
                    for _ in range(2))
    for name, tensor in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert losses[:3] == losses[3:]
    assert not first.training
