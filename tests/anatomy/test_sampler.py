from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from fl_components.anatomy.brain import make_brain
from fl_components.anatomy.check import problems
from fl_components.anatomy.compartments import LEFT, OPEN, RIGHT
from fl_components.anatomy.edit.source import head_of_sample
from fl_components.anatomy.sampler import AnatomySampler, SampledAnatomy, draw_brain_traits, seed_chance
from fl_components.study import Grid
from fl_components.vocabulary import ENHANCING, NECROTIC, OEDEMA, TUMOUR

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)


@pytest.fixture(scope="module")
def samples() -> list[SampledAnatomy]:
    sampler = AnatomySampler(GRID)
    return [sampler.sample(np.random.default_rng(seed)) for seed in range(40)]


def test_they_could_be_brains(samples: list[SampledAnatomy]) -> None:
    assert [problems(sample.labels, GRID) for sample in samples] == [[] for _ in samples]


def test_shape_type_and_record(samples: list[SampledAnatomy]) -> None:
    for sample in samples:
        assert sample.labels.shape == GRID.shape
        assert sample.labels.dtype == np.uint8
        record = json.loads(json.dumps(sample.record))
        enhancing_ml = (sample.labels == ENHANCING).sum() * 0.064
        assert record["volume_ml"]["ET"] == pytest.approx(enhancing_ml, abs=0.001)


def test_tumours_vary(samples: list[SampledAnatomy]) -> None:
    volumes = [np.isin(sample.labels, TUMOUR).sum() * 0.064 for sample in samples]
    assert min(volumes) < 20
    assert max(volumes) > 100
    assert 2 <= sum(not (sample.labels == ENHANCING).any() for sample in samples) <= 20
    assert any(not (sample.labels == NECROTIC).any() for sample in samples)
    assert any(len(sample.record["tumour"]["seeds_template_mm"]) == 2 for sample in samples)
    right = [np.argwhere(np.isin(sample.labels, TUMOUR))[:, 0].mean() > 19.5 for sample in samples]
    assert 8 <= sum(right) <= 32


def test_brains_vary(samples: list[SampledAnatomy]) -> None:
    sizes = [sum(sample.record["volume_ml"].values()) for sample in samples]
    assert np.std(sizes) > 80
    fluid = [sample.record["volume_ml"]["CSF"] / size for sample, size in zip(samples, sizes, strict=True)]
    assert max(fluid) / min(fluid) > 1.3


def test_a_tumour_comes_to_the_other_side_only_through_what_joins_the_halves(samples: list[SampledAnatomy]) -> None:
    across = 0
    for sample in samples:
        head = head_of_sample(sample, GRID)
        sides = {RIGHT if seed[0] > 0 else LEFT for seed in sample.record["tumour"]["seeds_template_mm"]}
        bridge = ndimage.binary_dilation(head.tumour & (head.rooms == OPEN), iterations=2)
        for side in {LEFT, RIGHT} - sides:
            beyond = head.tumour & (head.rooms == side) & (np.abs(head.pushed.template_mm[0]) > GRID.spacing_mm)
            parts, count = ndimage.label(beyond)
            found = [parts == part for part in range(1, count + 1) if (parts == part).sum() * 0.064 > 0.5]
            assert all(bridge[part].any() for part in found)
            across += bool(found)
    assert across < 0.3 * len(samples)


def test_the_same_seed_gives_the_same_anatomy() -> None:
    sampler = AnatomySampler(GRID)
    one, other = (sampler.sample(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.record == other.record


def test_another_tumour_grows_in_the_same_brain(samples: list[SampledAnatomy]) -> None:
    first, before = samples[0], samples[0].labels.copy()
    other = AnatomySampler(GRID).another_tumour(np.random.default_rng(6), first)
    np.testing.assert_array_equal(other.healthy.labels(), first.healthy.labels())
    assert other.record["brain"] == first.record["brain"]
    assert other.record["tumour"] != first.record["tumour"]
    assert other.record["volume_ml"]["ED"] == pytest.approx((other.labels == OEDEMA).sum() * 0.064, abs=1e-3)
    assert problems(other.labels, GRID) == []
    np.testing.assert_array_equal(first.labels, before)


def test_healthy_anatomies_have_no_tumour() -> None:
    sample = AnatomySampler(GRID).sample(np.random.default_rng(0), tumour=False)
    assert not np.isin(sample.labels, TUMOUR).any()
    assert sample.record["tumour"] is None
    assert problems(sample.labels, GRID) == []


def test_other_grids_work() -> None:
    grid = Grid(shape=(64, 72, 56), spacing_mm=2.8)
    sample = AnatomySampler(grid).sample(np.random.default_rng(1))
    assert sample.labels.shape == grid.shape
    assert problems(sample.labels, grid) == []


def test_seeds_lie_in_one_compartment() -> None:
    rng = np.random.default_rng(0)
    brain = make_brain(rng, GRID, draw_brain_traits(rng))
    cerebrum, cerebellum = seed_chance(brain, cerebellum=False) > 0, seed_chance(brain, cerebellum=True) > 0
    assert not (cerebrum & cerebellum).any()
    assert 0.04 < cerebellum.sum() / (cerebrum | cerebellum).sum() < 0.2  # a tenth of an adult brain is cerebellum
    assert brain.template_mm[2][cerebellum].max() < 5
