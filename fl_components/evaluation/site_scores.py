"""What a site says of a trained segmenter: means over its test subjects, and of what they differ by between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from fl_components.evaluation.compare import Moments, over_seeds
from fl_components.evaluation.scores import MEASURES, Measure, Scores
from fl_components.vocabulary import REGIONS

Kind = Literal["score", "difference"]
KINDS: Final[tuple[Kind, ...]] = ("score", "difference")
"""Of the arm itself; and minus the arm on real subjects, subject by subject."""
_PARTS: Final = ("mean", "sd", "n")


def score_names() -> tuple[str, ...]:
    """Names of the scalars: mean, standard deviation and number of subjects, by measure, region and kind."""
    return tuple(f"{_stem(measure, region, kind)}.{part}" for measure in MEASURES for region in REGIONS
                 for kind in KINDS for part in _PARTS)


def score_scalars(ours: Sequence[Scores], reference: Sequence[Scores], least: int) -> dict[str, float]:
    """What leaves of scores; a subject counts once, with its mean over the seeds.

    Args:
        ours: of the same test subjects, by seed.
        reference: of the arm on real subjects, by seed; none where that is the arm itself.
        least: fewest subjects with a region that a mean may be over, two or more; of fewer, all its scalars are 0.
    """
    scalars: dict[str, float] = {}
    for measure in MEASURES:
        for region in REGIONS:
            scores = _mean(ours, measure, region)
            against = scores - _mean(reference, measure, region) if reference else np.full_like(scores, np.nan)
            for kind, values in zip(KINDS, (scores, against), strict=True):
                told = Moments(0.0, 0.0, 0)
                if np.count_nonzero(~np.isnan(values)) >= max(least, 2):
                    told = Moments.of(values)
                scalars |= {f"{_stem(measure, region, kind)}.{part}": float(getattr(told, part)) for part in _PARTS}
    return scalars


def moments_of(scalars: Mapping[str, float], measure: Measure, region: str, kind: Kind) -> Moments | None:
    """One of what `score_scalars` told; None if the site abstained from it."""
    mean, sd, n = (scalars[f"{_stem(measure, region, kind)}.{part}"] for part in _PARTS)
    return Moments(mean, sd, int(n)) if n else None


def _mean(scores: Sequence[Scores], measure: Measure, region: str) -> np.ndarray:
    return over_seeds([one.of(measure)[region] for one in scores])


def _stem(measure: Measure, region: str, kind: Kind) -> str:
    return f"{measure}.{region}.{kind}"
