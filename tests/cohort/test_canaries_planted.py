"""Canaries of a site: the same subjects for everyone, coins of the site's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import small_study, write_run

from fl_components.cohort.canaries import canary_names, make_canary, plant_canaries
from fl_components.study import Study
from privacy_eval.errors import InputError


def study_with(count: int, for_release: bool = True) -> Study:
    return Study.parse(small_study(canaries={"per_site": count, "for_release": for_release}), "study.toml")


def test_a_canary_follows_from_the_study_and_the_site_alone() -> None:
    study = study_with(3)
    first, again = make_canary(study, "east", 1), make_canary(study, "east", 1)
    np.testing.assert_array_equal(first.images, again.images)
    assert first.name == canary_names(study)[1]
    for other in (make_canary(study, "west", 1), make_canary(study, "east", 2)):
        assert not np.array_equal(first.labels, other.labels)
    assert first.images[:, first.labels == 0].max() == 0
    assert 0 <= first.images.min() < first.images.max() <= 1


def test_coins_are_tossed_once_and_kept_from_others(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=1)
    site, study = run.sites(run.study())[0], study_with(6, for_release=False)
    first, again = (plant_canaries(site, study, 6) for _ in range(2))
    assert first.coins == again.coins
    assert [subject.name for subject in first.planted] == [
        name for name, inside in zip(first.coins.names, first.coins.inside, strict=True) if inside]
    files = list((site.state / "canaries").iterdir())
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0
    files[0].write_text(files[0].read_text()[:-5])
    with pytest.raises(InputError, match="no readable record"):
        plant_canaries(site, study, 6)


@pytest.mark.parametrize(("count", "members", "fits"), [(1, 10, True), (1, 9, False), (3, 32, True), (4, 32, False)])
def test_a_run_for_release_plants_a_tenth_at_most(tmp_path: Path, count: int, members: int, fits: bool) -> None:
    run = write_run(tmp_path / "run", subjects=1)
    site = run.sites(run.study())[0]
    if fits:
        assert len(plant_canaries(site, study_with(count), members).subjects) == count
    else:
        with pytest.raises(InputError, match="at most"):
            plant_canaries(site, study_with(count), members)
