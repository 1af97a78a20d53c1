"""What a generator is asked for, so that tissues come out in the contrast that was drawn for them.

A generator misses some tissues by a little: a thin enhancing rim is averaged with what is beside it, as the rim whose
median a site measured was already, and patches move a core's median. By how much is seen in what it makes, so it is
asked for that much more. No scan takes part, only the generator and what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from fl_components.contrast import Contrast, measure_contrast
from fl_components.networks.generator import Generator
from fl_components.networks.precision import Precision
from fl_components.networks.render import render
from fl_components.vocabulary import N_TISSUES, SEQUENCES

EXAMPLES: Final = 16
"""Volumes that are looked at: a tissue's median strays by up to .1 in one, so by .025 in their mean."""
_TURNS: Final = 2
_SEED: Final = 59


@dataclass(frozen=True)
class Calibration:
    """`shift`: (6 tissues, 4 sequences) float32, what is asked for beyond the contrast that is to come out."""

    shift: np.ndarray

    @classmethod
    def of(cls, generator: Generator, examples: Sequence[tuple[np.ndarray, Contrast]], precision: Precision,
           on_share: Callable[[float], None] = lambda _: None) -> Calibration:
        """That of a generator, by the mean over the first `EXAMPLES`; 0 for a tissue that none has.

        Args:
            generator: placed by `precision.place`.
            examples: (X, Y, Z) labels and the contrast that is to come out, such as are to be rendered.
            precision: where and in which format to run.
            on_share: called with the share of it done.
        """
        found = cls(np.zeros((N_TISSUES, len(SEQUENCES)), np.float32))
        for turn in range(_TURNS):
            found = cls(found.shift + found._missed(generator, examples[:EXAMPLES], precision))
            on_share((turn + 1) / _TURNS)
        return found

    def asked(self, contrast: Contrast) -> Contrast:
        """What the generator is to be given; above 1 where it would else be missed."""
        mean = np.maximum(contrast.mean + self.shift, 0) * contrast.present[:, None]
        return Contrast(mean.astype(np.float32), contrast.present)

    def _missed(self, generator: Generator, examples: Sequence[tuple[np.ndarray, Contrast]],
                precision: Precision) -> np.ndarray:
        """(6, 4) mean over the examples with a tissue of what is wanted and does not come out."""
        noise = torch.Generator().manual_seed(_SEED)
        missed, count = np.zeros_like(self.shift), np.zeros((N_TISSUES, 1), np.float32)
        for labels, wanted in examples:
            made = measure_contrast(render(generator, labels, self.asked(wanted), noise, precision), labels)
            there = (made.present & wanted.present)[:, None]
            missed += np.where(there, wanted.mean - made.mean, 0)
            count += there
        return missed / np.maximum(count, 1)


def render_as_drawn(generator: Generator, examples: Sequence[tuple[np.ndarray, Contrast]],
                    noise: Sequence[torch.Generator], precision: Precision) -> list[np.ndarray]:
    """Volumes as a release holds them: in the contrasts drawn for them, by a generator calibrated on the first.

    Args:
        generator: placed by `precision.place`.
        examples: (X, Y, Z) labels and contrast of each.
        noise: source of each volume's; the same one for all is taken in turn.
        precision: where and in which format to run.

    Returns:
        (4, X, Y, Z) float32 each, in [0, 1].
    """
    calibration = Calibration.of(generator, examples, precision)
    return [render(generator, labels, calibration.asked(contrast), rng, precision)
            for (labels, contrast), rng in zip(examples, noise, strict=True)]
