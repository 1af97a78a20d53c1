"""What a site says of a release before any segmenter: how its anatomies and images compare with the site's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from fl_components.cohort.subject import Subject
from fl_components.evaluation.anatomies import ANATOMY_NUMBERS, AnatomyTable, compare_anatomies
from fl_components.evaluation.detector import FOLDS
from fl_components.evaluation.realism.answer import RealismStatistics, realism_names
from fl_components.evaluation.realism.site import site_realism
from fl_components.study import Grid
from privacy_eval.statistics.ranks import UStatistic

_REALISM: Final = "realism."
_ANATOMY: Final = "anatomy."
_PARTS: Final = ("u", "n_synthetic", "n_real")
REALISM, ANATOMIES = 32, 64
"""Subjects of a site, and released volumes, that either is measured on at most, drawn at random. With several sites
more make an interval little narrower, and these measures take most of an evaluation's time."""


def worth_names() -> tuple[str, ...]:
    """Names of all scalars; those of numbers of the site's subjects end in "n_real"."""
    return (*(_REALISM + name for name in realism_names()),
            *(f"{_ANATOMY}{name}.{part}" for name in ANATOMY_NUMBERS for part in _PARTS))


def worth_scalars(real: Sequence[Subject], synthetic: Sequence[Subject], grid: Grid, least: int,
                  rng: np.random.Generator) -> dict[str, float]:
    """What leaves of the comparison.

    Args:
        real: the site's subjects that nothing was trained on.
        synthetic: the released volumes.
        grid: of both.
        least: fewest subjects that a number may be over; of fewer, all its scalars are 0.
        rng: of who is compared, and of the realism's draws.
    """
    realism = site_realism(_some(real, REALISM, rng), _some(synthetic, REALISM, rng), grid.spacing_mm, rng, least)
    ours, theirs = ([one.labels for one in _some(subjects, ANATOMIES, rng)] for subjects in (real, synthetic))
    return {**{_REALISM + name: value for name, value in realism.to_scalars().items()},
            **anatomy_scalars(ours, theirs, grid, least)}


def _some(subjects: Sequence[Subject], at_most: int, rng: np.random.Generator) -> list[Subject]:
    return [subjects[k] for k in rng.permutation(len(subjects))[:at_most]]


def anatomy_scalars(real: Sequence[np.ndarray], sampled: Sequence[np.ndarray], grid: Grid,
                    least: int) -> dict[str, float]:
    """How sampled anatomies compare with a site's own, by `compare_anatomies`: U and both numbers, of each number.

    Args:
        real: (X, Y, Z) anatomies of the site's, one a person.
        sampled: of the release.
        grid: of both.
        least: fewest of the site's anatomies with a measure; with fewer, all its scalars are 0.
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


def realism_of(site: str, scalars: Mapping[str, float]) -> RealismStatistics:
    """The realism among what `worth_scalars` told.

    Raises:
        InputError: if it is impossible.
    """
    return RealismStatistics.from_scalars(site, {name: scalars[_REALISM + name] for name in realism_names()})


def anatomy_statistics(scalars: Mapping[str, float]) -> dict[str, UStatistic]:
    """The comparison of anatomies among it, by number; without those that the site abstained from."""
    told = {name: [scalars[f"{_ANATOMY}{name}.{part}"] for part in _PARTS] for name in ANATOMY_NUMBERS}
    return {name: UStatistic(u, int(synthetic), int(n)) for name, (u, synthetic, n) in told.items() if n}
