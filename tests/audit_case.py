"""Small cohorts of smooth random volumes with label maps, and site answers made to order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from privacy_eval.battery import CONDITIONS, Condition, Measure, Setting
from privacy_eval.site.answer import SiteStatistics, Value
from privacy_eval.site.evidence import CONTRASTS, GeneratorErrors, PairedErrors, SiteEvidence
from privacy_eval.spaces.images import ImageSet
from privacy_eval.statistics.counts import SUPPRESSED

GRID = (8, 8, 8)
SETTING = Setting(spaces=("voxels", "coarse", "anatomy", "tumour"))
"""What is at hand without a learned embedding."""


def volumes(n: int, rng: np.random.Generator, grid: tuple[int, int, int] = GRID) -> np.ndarray:
    """Two sequences of smooth noise around a common brain, (n, 2, X, Y, Z)."""
    noise = gaussian_filter(rng.standard_normal((n, 2, *grid)), (0, 0, 1, 1, 1))
    return (1 + noise).astype(np.float32)


def labels(n: int, rng: np.random.Generator, grid: tuple[int, int, int] = GRID) -> np.ndarray:
    """Smooth patches of three tissues with a tumour of two shells at a random place, (n, X, Y, Z)."""
    maps = 1 + np.digitize(gaussian_filter(rng.standard_normal((n, *grid)), (0, 1, 1, 1)), (-0.1, 0.1))
    for label_map in maps:
        centre, radius = rng.uniform(1, np.array(grid) - 2), rng.uniform(1.2, 2.5)
        away = np.linalg.norm(np.indices(grid) - centre.reshape(3, 1, 1, 1), axis=0)
        label_map[away < radius] = 5
        label_map[away < radius - 0.8] = 6
    return maps.astype(np.uint8)


def images(n: int, rng: np.random.Generator, grid: tuple[int, int, int] = GRID) -> ImageSet:
    """Volumes with label maps, one a patient."""
    return ImageSet(volumes(n, rng, grid), labels(n, rng, grid))


def generator_errors(n_members: int, n_holdout: int, rng: np.random.Generator,
                     advantage: float = 0.0) -> dict[str, GeneratorErrors]:
    """Errors of a generator that is better by `advantage` on members; ease of painting differs between subjects."""

    def errors(n: int, ease: np.ndarray, shift: float = 0.0) -> np.ndarray:
        return 0.1 * ease - shift + rng.normal(0, 0.004, n)

    easy = rng.uniform(0.8, 1.2, n_members), rng.uniform(0.8, 1.2, n_holdout)
    return {contrast: GeneratorErrors(
        reconstruction=PairedErrors(errors(n_members, easy[0], advantage), errors(n_holdout, easy[1])),
        predictability=PairedErrors(0.1 * easy[0], 0.1 * easy[1]),
        untrained=PairedErrors(errors(n_members, easy[0]), errors(n_holdout, easy[1])),
    ) for contrast in CONTRASTS}


def evidence(n_members: int, n_holdout: int, rng: np.random.Generator, advantage: float = 0.0) -> SiteEvidence:
    return SiteEvidence(images(n_members, rng), images(n_holdout, rng), images(8, rng),
                        generator_errors(n_members, n_holdout, rng, advantage))


def answer(
    site: str = "site-a",
    n: int = 60,
    blind: float = 0.5,
    release: float = 0.5,
    replicas: tuple[int, int] = (0, 0),
    positive: float = 0.75,
    positive_replicas: int | None = None,
    negative: float = 0.5,
    setting: Setting = SETTING,
    audit_number: int = 1,
) -> SiteStatistics:
    """A site's answer with the given AUC in every rank measure of a condition; the rest shows nothing."""
    auc = {"release": release, "positive": positive, "negative": negative}
    fired = n // 2 if positive_replicas is None else positive_replicas
    copied = {"release": replicas, "positive": (fired, 0), "negative": (0, 0)}

    def value(condition: Condition, measure: Measure) -> Value:
        sizes = measure.sizes(n, n)
        if measure.kind == "rank":
            return (round(2 * auc[condition] * sizes.members * sizes.holdout) / 2,)
        if measure.test == "T6":
            return tuple(float(count) for count in copied[condition])
        if measure.test == "T11":
            return float(n // 3), float(n // 3)
        return (0.0,) if measure.kind == "normal" else (float(SUPPRESSED), float(SUPPRESSED))

    values = {condition: {one.id: value(condition, one) for one in setting.measures} for condition in CONDITIONS}
    return SiteStatistics(site, setting, n, n, 5, audit_number, round(2 * blind * n * n) / 2, values)


def changed(site: SiteStatistics, condition: Condition, measure: str, value: Value) -> SiteStatistics:
    """The same answer with one measure of one condition changed."""
    values = {name: dict(of) for name, of in site.values.items()}
    values[condition][measure] = value
    return replace(site, values=values)
