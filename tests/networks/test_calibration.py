"""What comes out is what was drawn, by a generator that misses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fl_components.contrast import Contrast, measure_contrast
from fl_components.networks.calibration import EXAMPLES, Calibration, render_as_drawn
from fl_components.networks.generator import Generator
from fl_components.networks.precision import choose_precision
from fl_components.networks.render import render

PRECISION = choose_precision("float32")
T1CE = 1
ENHANCING = 5  # row of the tissue of label 6
Example = tuple[np.ndarray, Contrast]


@pytest.fixture
def generator() -> Generator:
    """One whose T1 after contrast is too dark by .08 everywhere."""
    torch.manual_seed(3)
    made = Generator((4, 6), 4).eval()
    with torch.no_grad():
        made.head.weight *= 0
        made.head.bias.zero_()
        made.head.bias[T1CE] = -0.08
    return made


def example(seed: int) -> Example:
    """White matter around a core of 6×6×6 with an enhancing rim one voxel thick; no other tissue."""
    labels = np.full((16, 16, 16), 3, np.uint8)
    labels[:2] = 0
    labels[4:12, 4:12, 4:12] = 6
    labels[5:11, 5:11, 5:11] = 4
    present = np.isin(np.arange(1, 7), [3, 4, 6])
    mean = np.random.default_rng(seed).uniform(0.4, 0.6, (6, 4)) * present[:, None]
    mean[ENHANCING, T1CE] = 0.9
    return labels, Contrast(mean.astype(np.float32), present)


def missed(images: list[np.ndarray], examples: list[Example]) -> np.ndarray:
    """(6, 4) mean of made − drawn."""
    return np.mean([measure_contrast(one, labels).mean - contrast.mean
                    for one, (labels, contrast) in zip(images, examples, strict=True)], axis=0)


def test_tissues_come_out_in_the_contrast_that_was_drawn(generator: Generator) -> None:
    examples = [example(seed) for seed in range(EXAMPLES)]
    noise = torch.Generator().manual_seed(0)
    plain = missed([render(generator, *one, noise, PRECISION) for one in examples], examples)
    assert plain[ENHANCING, T1CE] < -0.1  # the thin rim is averaged with what is around it, too
    assert plain[2, T1CE] == pytest.approx(-0.08, abs=0.02)
    found = missed(render_as_drawn(generator, examples, [noise] * EXAMPLES, PRECISION), examples)
    np.testing.assert_allclose(found, 0, atol=0.03)


def test_a_tissue_that_no_example_has_is_asked_for_as_it_is(generator: Generator) -> None:
    shift = Calibration.of(generator, [example(0)], PRECISION).shift
    assert not shift[[0, 1, 4]].any()
    assert shift[2, T1CE] == pytest.approx(0.08, abs=0.02)


def test_without_examples_nothing_is_shifted(generator: Generator) -> None:
    assert not Calibration.of(generator, [], PRECISION).shift.any()


def test_what_is_asked_for_is_never_below_0_and_absent_tissues_stay_so() -> None:
    _, contrast = example(0)
    asked = Calibration(np.full((6, 4), -2, np.float32)).asked(contrast)
    assert not asked.mean.any()
    np.testing.assert_array_equal(asked.present, contrast.present)
    brighter = Calibration(np.full((6, 4), 0.2, np.float32)).asked(contrast)
    assert not brighter.mean[~contrast.present].any()
    assert brighter.mean[ENHANCING, T1CE] == pytest.approx(1.1)


def test_the_same_generator_is_calibrated_the_same(generator: Generator) -> None:
    examples = [example(seed) for seed in range(3)]
    first, second = (Calibration.of(generator, examples, PRECISION).shift for _ in range(2))
    np.testing.assert_array_equal(first, second)
