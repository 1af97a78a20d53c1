"""A site's training draws from a seed that nobody else can compute."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from small_run import write_run

from fl_components.client.training_seed import secret_file, training_seed
from fl_components.site import Site
from fl_components.study import Study
from privacy_eval.errors import InputError


@pytest.fixture
def study_and_site(tmp_path: Path) -> tuple[Study, Site]:
    run = write_run(tmp_path / "run", subjects=0)
    study = run.study()
    return study, run.sites(study)[0]


def real(site: Site, folder: Path) -> Site:
    data = site.data.model_copy(update={"simulated": False, "split_seed": None})
    return site.model_copy(update={"data": data, "state": folder})


def test_a_real_site_draws_its_secret_once_and_keeps_it_to_itself(
        study_and_site: tuple[Study, Site], tmp_path: Path) -> None:
    study, site = study_and_site
    one, other = real(site, tmp_path / "one"), real(site, tmp_path / "other")
    first = training_seed(one, study)
    assert training_seed(one, study) == first
    assert training_seed(other, study) != first  # same study, same name
    assert stat.S_IMODE(secret_file(one.state).stat().st_mode) == 0o600
    assert len(secret_file(one.state).read_bytes()) == 32


def test_a_simulated_hospital_repeats_its_run_anywhere(study_and_site: tuple[Study, Site], tmp_path: Path) -> None:
    study, site = study_and_site
    data = site.data.model_copy(update={"simulated": True, "split_seed": 7})
    seeds = {training_seed(site.model_copy(update={"data": data, "state": tmp_path / name}), study) for name in "ab"}
    assert len(seeds) == 1
    assert not secret_file(tmp_path / "a").exists()


def test_a_damaged_secret_is_one_line(study_and_site: tuple[Study, Site], tmp_path: Path) -> None:
    study, site = study_and_site
    mine = real(site, tmp_path / "state")
    training_seed(mine, study)
    secret_file(mine.state).write_bytes(b"short")
    with pytest.raises(InputError, match="5 bytes, expected 32"):
        training_seed(mine, study)
