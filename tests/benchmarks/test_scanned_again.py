from __future__ import annotations

import numpy as np

from benchmarks.scanned_again import scanned_again
from fl_components.anatomy.check import problems
from fl_components.cohort.simulate.scanner import NAMED
from fl_components.study import Grid
from fl_components.vocabulary import TUMOUR

GRID = Grid(shape=(40, 48, 40), spacing_mm=4.0)


def test_a_sampled_anatomy_comes_back_as_a_site_would_label_it() -> None:
    labels = scanned_again(np.random.default_rng(4), NAMED[0], GRID)
    assert labels.shape == GRID.shape
    assert labels.dtype == np.uint8
    assert np.isin(labels, TUMOUR).any()
    assert problems(labels, GRID) == []
    other = scanned_again(np.random.default_rng(4), NAMED[1], GRID)
    assert (labels != other).any()
