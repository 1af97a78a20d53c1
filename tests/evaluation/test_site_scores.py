"""From scores of subjects to what a site says, and from sites to the table."""

from __future__ import annotations

import numpy as np
import pytest

from fl_components.evaluation.arms import Arm
from fl_components.evaluation.scores import MEASURES, Scores
from fl_components.evaluation.site_scores import moments_of, score_names, score_scalars
from fl_components.evaluation.table import anatomy_rows, realism_rows, segmenter_rows
from fl_components.evaluation.worth import worth_names
from fl_components.vocabulary import REGIONS

SITES = {"east": 30, "west": 12}


def scores(n: int, seed: int, gain: float = 0.0, without: int = 0) -> Scores:
    """Random scores; the first `without` subjects have no enhancing tumour."""
    rng = np.random.default_rng(seed)
    dice = {region: rng.uniform(0.4, 0.6, n) + gain for region in REGIONS}
    dice["enhancing"][:without] = np.nan
    return Scores(dice, {region: 10 * values for region, values in dice.items()}, np.zeros(n, bool))


def test_means_are_over_subjects_and_differences_are_paired() -> None:
    ours, real = scores(20, 1, 0.1, without=3), scores(20, 2, without=3)
    told = score_scalars([ours], [real], least=10)
    assert set(told) == set(score_names())
    values = ours.dice["enhancing"][3:]
    score = moments_of(told, "dice", "enhancing", "score")
    assert (score.mean, score.sd, score.n) == pytest.approx((values.mean(), values.std(ddof=1), 17))  # type: ignore[union-attr]
    paired = values - real.dice["enhancing"][3:]
    difference = moments_of(told, "dice", "enhancing", "difference")
    assert (difference.mean, difference.sd) == pytest.approx((paired.mean(), paired.std(ddof=1)))  # type: ignore[union-attr]


def test_a_subject_counts_once_however_many_seeds() -> None:
    seeds = [scores(20, k) for k in range(3)]
    told = moments_of(score_scalars(seeds, seeds, 10), "hd95", "core", "score")
    mean = np.mean([one.hd95["core"] for one in seeds], axis=0)
    assert (told.mean, told.sd, told.n) == pytest.approx((mean.mean(), mean.std(ddof=1), 20))  # type: ignore[union-attr]
    same = moments_of(score_scalars(seeds, seeds, 10), "hd95", "core", "difference")
    assert (same.mean, same.sd) == (0, 0)  # type: ignore[union-attr]


@pytest.mark.parametrize(("least", "told"), [(17, True), (18, False)])
def test_a_region_of_too_few_is_abstained_from_and_the_others_are_told(least: int, told: bool) -> None:
    found = score_scalars([scores(20, 1, without=3)], [], least)
    assert (moments_of(found, "dice", "enhancing", "score") is not None) == told
    assert moments_of(found, "dice", "core", "score") is not None
    assert all(moments_of(found, measure, region, "difference") is None for measure in MEASURES for region in REGIONS)


def test_one_subject_is_never_told_whatever_the_minimum() -> None:
    assert not any(score_scalars([scores(1, 1)], [], least=1).values())


def test_the_table_weighs_subjects_and_takes_the_last_seed() -> None:
    real = {site: [scores(n, [n, k]) for k in (0, 1)] for site, n in SITES.items()}
    ours = {site: [scores(n, [n, k], gain) for k in (0, 1)] for (site, n), gain in
            zip(SITES.items(), (0.1, -0.2), strict=True)}
    arms = []
    for k in (0, 1):
        for name, sides, against in (("real", real, None), ("synthetic only", ours, real)):
            arms.append((Arm("segresnet", True, k, name), {  # type: ignore[arg-type]
                site: score_scalars(sides[site][:k + 1], against[site][:k + 1] if against else [], 10)
                for site in SITES}))
    rows = {(row["trained_on"], row["measure"], row["region"]): row for row in segmenter_rows(arms)}
    assert len(rows) == 2 * len(MEASURES) * len(REGIONS)
    row = rows["synthetic only", "dice", "core"]
    assert row["seeds"] == 2
    assert row["difference"]["n"] == 42
    assert row["difference"]["estimate"] == pytest.approx((30 * 0.1 - 12 * 0.2) / 42)
    assert row["difference"]["low"] == pytest.approx(row["difference"]["high"])
    assert {site: told["n"] for site, told in row["score"]["sites"].items()} == SITES
    assert rows["real", "dice", "core"]["difference"] is None


def test_sites_that_abstain_are_left_out_of_every_table() -> None:
    nothing = {"east": dict.fromkeys(worth_names(), 0.0)}
    assert realism_rows(nothing) == anatomy_rows(nothing) == []
    (row, *_) = segmenter_rows([(Arm("segresnet", True, 0, "real"), {"east": dict.fromkeys(score_names(), 0.0)})])
    assert row["score"] is None
    part = nothing | {"west": nothing["east"] | {f"anatomy.brain_ml.{name}": value for name, value in
                                                 (("u", 50.0), ("n_synthetic", 10.0), ("n_real", 20.0))}}
    (found,) = anatomy_rows(part)
    assert (found["measure"], found["estimate"], found["n"], found["n_synthetic"]) == ("brain_ml", 0.25, 20, 10)
    assert found["low"] < 0.25 < found["high"]
