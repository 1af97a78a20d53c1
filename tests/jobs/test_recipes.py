"""What a job carries, and to whom: read from the exported files, as a party would."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from nvflare.recipe.secrets import PotentialSecretWarning
from small_run import small_study

from fl_components.guard.job_checker import component_refusal
from fl_components.json_file import read_json
from fl_components.study import Study
from jobs.engine import Job
from jobs.recipes import CLASS_ALLOW_LIST, SITE_COMPONENTS, FedsynthRecipe

STUDY = Study.parse(small_study(sites=dict.fromkeys(("a", "b", "c", "d"), 1.0)), "test")
TRAINING = "0123456789abcdef" * 2
JOBS = {"train": Job("train", STUDY, ("a", "c", "d"), TRAINING, 2), "audit": Job("audit", STUDY, ("a", "b", "c")),
        "evaluate": Job("evaluate", STUDY, ("b", "c", "d"))}


@pytest.fixture(scope="module", params=list(JOBS))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path]:
    folder = tmp_path_factory.mktemp("export")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PotentialSecretWarning)
        FedsynthRecipe(JOBS[request.param]).export(str(folder))
    return JOBS[request.param], folder / f"small-{request.param}"


def config(folder: Path, party: str) -> dict[str, Any]:
    kind = "server" if party == "server" else "client"
    return dict(read_json(folder / f"app_{party}" / "config" / f"config_fed_{kind}.json"))


def test_it_goes_to_its_sites_and_nobody_else(exported: tuple[Job, Path]) -> None:
    job, folder = exported
    meta = read_json(folder / "meta.json")
    assert sorted(site for sites in meta["deploy_map"].values() for site in sites) == sorted([*job.sites, "server"])
    assert meta["min_clients"] == 3  # of a training with four sites, and all that another job asks
    assert not list(folder.rglob("custom"))


def test_a_site_gets_one_executor_of_the_listed_range(exported: tuple[Job, Path]) -> None:
    job, folder = exported
    for site in job.sites:
        content = config(folder, site)
        [entry] = content["executors"]
        assert component_refusal(entry["executor"], "executors.#1.executor", SITE_COMPONENTS) is None
        training = {"training": TRAINING} if job.name == "train" else {}
        assert entry["executor"]["args"] == {"study_hash": STUDY.hash, **training}
        assert not {"train_keys", "train_reveal"} & set(entry["tasks"])  # the study wants no masks
        assert content["components"] == content["task_result_filters"] == content["task_data_filters"] == []


def test_the_server_gets_every_argument(exported: tuple[Job, Path]) -> None:
    job, folder = exported
    [workflow] = config(folder, "server")["workflows"]
    more = {"training": TRAINING, "until": 2} if job.name == "train" else {}
    assert workflow["path"] == CLASS_ALLOW_LIST[3 + list(JOBS).index(job.name)]
    assert workflow["args"] == {"study_hash": STUDY.hash, "sites": list(job.sites), **more}
