from __future__ import annotations

import math
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_run import prepare_run, write_run

from fl_components.cohort.cohort import subjects_folder
from fl_components.doctor import machine
from fl_components.doctor.finding import GIB
from fl_components.guard.ledger import Ledger
from fl_components.site import Site
from fl_components.study import Study
from jobs.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", subjects=0)


@pytest.fixture
def site(run: RunFolder) -> Site:
    site = Site.from_file(run.site_file("east"))
    site.state.mkdir(mode=0o700)
    return site


def test_disk_covers_what_prepared_subjects_take(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", subjects=5)
    study = prepare_run(run)
    files = [file.stat().st_size for file in subjects_folder(Site.from_file(run.site_file("east"))).glob("*.npz")]
    estimate = machine.disk_needed(study, 5) - machine.disk_needed(study, 0)
    assert len(files) == 5
    assert np.isclose(estimate, sum(files), rtol=0.05)


@pytest.mark.parametrize(("preset", "measured_gib"), [("tiny", 0.67), ("small", 1.23), ("paper", 2.17)])
def test_memory_is_not_below_what_a_step_took(preset: str, measured_gib: float) -> None:
    """Peak of a process after two steps on a processor: float32 on tiny and small, bfloat16 on paper."""
    study = Study.parse({"name": "a", "preset": preset, "seed": 1, "sites": {"east": 1.0}}, "test")
    assert measured_gib * GIB <= machine.memory_needed(study, 0) <= 4 * measured_gib * GIB


def test_estimates_grow_with_cases_and_batch(run: RunFolder) -> None:
    study = run.study()
    larger = study.model_copy(update={"training": study.training.model_copy(update={"batch_size": 2})})
    voxels = math.prod(study.grid.shape)
    assert machine.memory_needed(study, 9) - machine.memory_needed(study, 8) == 17 * voxels
    assert machine.memory_needed(larger, 0) - machine.memory_needed(study, 0) == 250 * voxels * 4


@pytest.mark.parametrize(("mode", "status"), [(0o700, "ok"), (0o750, "ok"), (0o755, "fix"), (0o701, "fix")])
def test_state_that_others_can_read(site: Site, mode: int, status: str) -> None:
    site.state.chmod(mode)
    simulated = machine.check_state(site)
    assert simulated.status == "ok"  # nobody's patients
    found = machine.check_state(site.model_copy(update={"data": site.data.model_copy(update={"simulated": False})}))
    assert found.status == status
    assert f"{mode:04o}" in found.found


def test_state_that_is_missing_or_cannot_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    assert "Permission denied" in machine.check_state(site).found
    assert machine.check_clock(site).status == "look"
    site.state.rmdir()
    assert "mkdir -p -m 700" in machine.check_state(site).advice


@pytest.mark.parametrize(("free", "status"), [(0.5, "fix"), (100, "ok")])
def test_disk(site: Site, run: RunFolder, monkeypatch: pytest.MonkeyPatch, free: float, status: str) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=free * GIB))
    assert machine.check_disk(site, run.study(), 3).status == status
    assert f"{free:.1f} GiB free" in machine.check_disk(site, None, 3).found


@pytest.mark.parametrize(("total", "available", "status"), [(64, 60, "ok"), (64, 0.2, "look"), (0.5, 0.2, "fix")])
def test_memory(run: RunFolder, monkeypatch: pytest.MonkeyPatch, total: float, available: float, status: str) -> None:
    monkeypatch.setattr(machine.psutil, "virtual_memory",
                        lambda: SimpleNamespace(total=total * GIB, available=available * GIB))
    assert machine.check_memory(run.study(), 3).status == status
    assert machine.check_memory(None, 0).status == "look"


def test_threads(site: Site) -> None:
    assert machine.check_threads(site).status == "ok"
    many = site.model_copy(update={"compute": site.compute.model_copy(update={"threads": 100_000})})
    assert machine.check_threads(many).status == "fix"


def test_packages_as_installed() -> None:
    assert {one.check for one in machine.check_packages()} == {"Python", "packages"}


def test_packages_that_are_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=999", "no-such-package-here", "pytest>=1", "opacus>=999; extra == 'dev'"]
    monkeypatch.setattr(machine.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(machine.metadata, "metadata", lambda name: {"Requires-Python": ">=3.99"})
    python, packages = machine.check_packages()
    assert (python.status, packages.status) == ("fix", "fix")
    assert packages.found == f"numpy {metadata.version('numpy')}, required >=999; no-such-package-here is missing"


def test_fedsynth_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine.metadata, "metadata", missing)
    assert [one.status for one in machine.check_packages()] == ["fix"]


@pytest.mark.parametrize(("offset", "status"), [(0, "ok"), (-3600, "fix"), (3600, "fix")])
def test_clock_against_the_file_system(site: Site, offset: float, status: str) -> None:
    assert machine.check_clock(site, time.time() + offset).status == status


def test_clock_that_was_set_back_behind_the_ledger(site: Site) -> None:
    Ledger(site.ledger).append({"time": "2999-01-01T00:00:00+00:00"})
    found = machine.check_clock(site)
    assert found.status == "fix"
    assert "before the ledger's last entry" in found.found


@pytest.mark.parametrize("entry", [{}, {"time": "yesterday"}])
def test_a_ledger_without_times_says_nothing_of_the_clock(site: Site, entry: dict[str, object]) -> None:
    Ledger(site.ledger).append(entry)
    assert machine.check_clock(site).status == "ok"
