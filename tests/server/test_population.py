from __future__ import annotations

import numpy as np
import pytest
from small_run import CONTRAST, small_study

from fl_components.server.population import ContrastPopulation
from fl_components.study import Study
from privacy_eval.errors import InputError

STUDY = Study.parse(small_study(), "test")
ALL = np.repeat(np.arange(7, dtype=np.uint8), 20).reshape(7, 5, 4)


def summaries(spread: float = 0.02, west_count: float = 10) -> dict[str, dict[str, object]]:
    def site(shift: float, count: float) -> dict[str, object]:
        return {"contrast.mean": ((CONTRAST + shift) * (count > 0)).tolist(), "simulated": 1.0,
                "contrast.spread": np.full((6, 4), spread).tolist(), "contrast.count": [10, 10, 10, 10, 10, count]}
    return {"east": site(0.0, 10), "west": site(0.04, west_count)}


def test_draws_lie_around_their_sites_means_in_the_studys_shares() -> None:
    population = ContrastPopulation.from_summaries(STUDY, summaries(spread=0.0))
    rng = np.random.default_rng(0)
    grey = np.array([population.draw(ALL, rng).mean[1, 0] for _ in range(600)])
    east = np.isclose(grey, CONTRAST[1, 0])
    assert (east | np.isclose(grey, CONTRAST[1, 0] + 0.04)).all()
    assert abs(east.mean() - 2 / 3) < 4 * np.sqrt(2 / 9 / 600)


def test_absent_tissue_is_marked_and_zero() -> None:
    healthy = np.where(ALL > 3, 3, ALL).astype(np.uint8)
    contrast = ContrastPopulation.from_summaries(STUDY, summaries()).draw(healthy, np.random.default_rng(1))
    assert contrast.present.tolist() == [True] * 3 + [False] * 3
    assert (contrast.mean[3:] == 0).all()


def test_contrast_stays_in_range() -> None:
    population = ContrastPopulation.from_summaries(STUDY, summaries(spread=0.5))
    rng = np.random.default_rng(2)
    drawn = np.array([population.draw(ALL, rng).mean for _ in range(50)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_what_one_site_may_not_say_the_others_fill_in() -> None:
    data = summaries(spread=0.0)
    data["west"]["contrast.count"] = [10, 10, 10, 10, 10, 0]
    data["west"]["contrast.mean"] = [*data["west"]["contrast.mean"][:5], [0.0] * 4]  # type: ignore[index]
    population = ContrastPopulation.from_summaries(STUDY, data)
    np.testing.assert_allclose(population.mean[1, 5], CONTRAST[5], atol=1e-6)


def test_a_tissue_nobody_knows_is_an_input_error() -> None:
    data = summaries()
    for site in data.values():
        site["contrast.count"] = [10, 10, 10, 10, 10, 0]
    with pytest.raises(InputError, match="known at no site"):
        ContrastPopulation.from_summaries(STUDY, data)
