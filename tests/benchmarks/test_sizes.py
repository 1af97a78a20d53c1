from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmarks.alone import cost_of
from benchmarks.sizes import rendering, sampling, step, study_of, writing
from fl_components.study import PRESETS

MIB = 2**20


def holding(mib: int) -> Callable[[], object]:
    """Work that holds so much, and names its process."""
    return lambda: (np.ones(mib * MIB, np.uint8).sum(), os.getpid())


def test_memory_is_counted_in_a_process_of_its_own() -> None:
    small, large = (cost_of(holding, mib, repeats=2) for mib in (50, 200))
    assert small.mib == pytest.approx(50, abs=10)
    assert large.mib == pytest.approx(200, abs=10)
    assert len(small.seconds) == 2


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_makes_a_study(preset: str) -> None:
    study = study_of(preset)
    assert study.training.patch is None or study.network.coordinates


def test_slabs_and_the_whole_make_one_volume() -> None:
    whole, slabs = (rendering("tiny", way)() for way in (False, True))
    assert isinstance(whole, torch.Tensor)
    assert isinstance(slabs, torch.Tensor)
    torch.testing.assert_close(slabs, whole[0], atol=0.02, rtol=0)  # two bytes a number


@pytest.mark.parametrize("part", [step, sampling, writing])
def test_every_other_part_runs_at_the_smallest_size(part: Callable[[str], Callable[[], object]]) -> None:
    found = cost_of(part, "tiny")
    assert len(found.seconds) == 1
    assert found.seconds[0] > 0
