"""What a site says of a release before any segmenter: how its anatomies and images compare with the site's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.evaluation.anatomies import ANATOMY_NUMBERS, AnatomyTable, compare_anatomies
from fl_components.evaluation.detector import FOLDS
from fl_components.study import Grid
from privacy_eval.spaces.images import ImageSet, label_maps_of
from privacy_eval.statistics.ranks import UStatistic

_ANATOMY: Final = "anatomy."
_PARTS: Final = ("u", "sampled", "n")


def worth_names() -> tuple[str, ...]:
    """Names of all scalars."""
    return anatomy_names()


def worth_scalars(subjects: Sequence[Subject], release: ImageSet, grid: Grid, least: int) -> dict[str, float]:
    """What leaves of the comparison.

    Args:
        subjects: the site's, none of whom the generator was trained on.
        release: the released volumes.
        grid: of both.
        least: fewest subjects that a number may be over; of fewer, all its scalars are 0.
    """
    return anatomy_scalars([subject.labels for subject in subjects], list(label_maps_of(release)), grid, least)


def anatomy_names() -> tuple[str, ...]:
    """Names of the comparison's scalars: U, and the numbers of sampled and of real anatomies, of each number."""
    return tuple(f"{_ANATOMY}{name}.{part}" for name in ANATOMY_NUMBERS for part in _PARTS)


def anatomy_scalars(real: Sequence[np.ndarray], sampled: Sequence[np.ndarray], grid: Grid,
                    least: int) -> dict[str, float]:
    """How sampled anatomies compare with a site's own, by `compare_anatomies`.

    Args:
        real: (X, Y, Z) anatomies of the site's, one a person.
        sampled: of the release.
        grid: of both.
        least: fewest anatomies with a measure that a number may be over; of fewer, all its scalars are 0.
    """
    found: Mapping[str, UStatistic | None] = {}
    if len(real) >= max(least, FOLDS) and len(sampled) >= FOLDS:
        found = compare_anatomies(AnatomyTable.of(real, grid), AnatomyTable.of(sampled, grid))
    scalars: dict[str, float] = {}
    for name in ANATOMY_NUMBERS:
        number = found.get(name)
        told = (number.u, number.n_members, number.n_holdout) if number and number.n_holdout >= least else (0, 0, 0)
        scalars |= {f"{_ANATOMY}{name}.{part}": float(value) for part, value in zip(_PARTS, told, strict=True)}
    return scalars


def anatomy_statistics(scalars: Mapping[str, float]) -> dict[str, UStatistic]:
    """What `anatomy_scalars` told, by number; without those that a site abstained from."""
    told = {name: [scalars[f"{_ANATOMY}{name}.{part}"] for part in _PARTS] for name in ANATOMY_NUMBERS}
    return {name: UStatistic(u, int(sampled), int(n)) for name, (u, sampled, n) in told.items() if n}
