from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import CONTRAST, small_study

from fl_components.guard.declaration import declare
from fl_components.server.population import (
    ContrastPopulation,
    missing_summaries,
    random_protocols,
    summaries_of,
    take_summaries,
)
from fl_components.study import Study
from fl_components.training.private.summary import USUAL_SPREAD
from fl_components.vocabulary import CSF, ENHANCING
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


def test_a_site_that_never_took_part_is_left_out() -> None:
    data = summaries(spread=0.0)
    del data["east"]
    population = ContrastPopulation.from_summaries(STUDY, data)
    assert population.share.tolist() == [1.0]
    np.testing.assert_allclose(population.draw(ALL, np.random.default_rng(3)).mean, np.clip(CONTRAST + 0.04, 0, 1),
                               atol=1e-6)
    with pytest.raises(InputError, match="no site's summary"):
        ContrastPopulation.from_summaries(STUDY, {})


def test_random_protocols_are_nobodys_and_keep_what_makes_tissues_tell() -> None:
    """Whatever sites told; further apart than patients of a site; CSF brightest in T2, contrast agent in the rim."""
    study = Study.parse(small_study(synthesis={"contrasts": "random"}), "test")
    drawn = []
    for told in (summaries(), summaries(spread=0.3)):
        rng = np.random.default_rng(4)
        population = ContrastPopulation.of_release(study, told)
        assert population.simulated
        drawn.append(np.array([population.draw(ALL, rng).mean for _ in range(200)]))
    np.testing.assert_array_equal(*drawn)
    assert np.median(drawn[0].std(axis=0)) > 2 * USUAL_SPREAD
    centre = drawn[0].mean(axis=0)
    assert centre[:, 2].argmax() == CSF - 1
    assert centre[:, 1].argmax() == ENHANCING - 1


def test_random_protocols_hide_no_patients() -> None:
    """A release of patients' generator stays one, whatever its contrasts."""
    assert not random_protocols(simulated=False).simulated
    study = Study.parse(small_study(synthesis={"contrasts": "random"}), "test")
    data = summaries()
    data["east"]["simulated"] = 0.0
    assert not ContrastPopulation.of_release(study, data).simulated


def test_summaries_are_kept_over_the_jobs_of_one_training_and_no_longer(tmp_path: Path) -> None:
    path, one, other = tmp_path / "population.json", "1" * 32, "2" * 32
    good = {name: np.ones(field.shape, field.dtype) for name, field in declare("summarise", STUDY).items()}
    assert missing_summaries(path, one, ("east", "west")) == ["east", "west"]
    refused = take_summaries(path, STUDY, one, {"east": good, "west": {**good, "more": np.zeros(1)}})
    assert list(refused) == ["west"]
    assert "'more' is not declared" in refused["west"]
    assert take_summaries(path, STUDY, one, {}) == {}
    assert missing_summaries(path, one, ("east", "west")) == ["west"]
    assert missing_summaries(path, other, ("east", "west")) == ["east", "west"]
    take_summaries(path, STUDY, other, {"west": good})
    assert list(summaries_of(path, other)) == ["west"]
    assert summaries_of(path, one) == {}
