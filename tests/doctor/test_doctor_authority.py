from __future__ import annotations

import os
from pathlib import Path

import pytest
import tomli_w
from small_run import write_run

from fl_components.doctor import authority
from fl_components.doctor.authority import check_authority, check_same_policy
from fl_components.doctor.kit import Kit
from fl_components.guard.ledger import Ledger
from fl_components.guard.seal import policy_digest
from fl_components.site import Site
from fl_components.toml_model import read_toml
from jobs.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # root may write everything, so that nothing could be told
    return write_run(tmp_path / "run", subjects=0)


def found(run: RunFolder, kit: Kit | None = None) -> authority.Finding:
    return check_authority(Site.from_file(run.site_file("east")), run.site_file("east"), kit)


def writable(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or Path(path) in paths)


def test_files_of_another_account_are_fine(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    writable(monkeypatch)
    assert found(run).status == "ok"


@pytest.mark.parametrize("name", ["site.toml", "folder", "study.toml", "local", "privacy.json", "package"])
def test_whatever_a_job_could_change_is_named(run: RunFolder, tmp_path: Path, name: str,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    local = tmp_path / "kit/local"
    local.mkdir(parents=True)
    (local / "privacy.json").touch()
    path = {"site.toml": run.site_file("east"), "folder": run.site_folder("east"), "local": local,
            "study.toml": Site.from_file(run.site_file("east")).study, "privacy.json": local / "privacy.json",
            "package": Path(authority.fl_components.__file__).parent}[name]
    writable(monkeypatch, path)
    one = found(run, Kit(tmp_path / "kit"))
    assert one.status == "look"
    assert str(run.site_file("east") if name == "folder" else path) in one.found


def test_root_is_said(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "root" in found(run).found


def test_a_policy_that_changed_since_the_last_answer_is_said(run: RunFolder) -> None:
    site = Site.from_file(run.site_file("east"))
    assert check_same_policy(site).status == "ok"
    Ledger(site.ledger).append({"decision": "sent", "policy": policy_digest(site.policy)})
    Ledger(site.ledger).append({"decision": "recovered"})
    assert check_same_policy(site).status == "ok"
    content = read_toml(run.site_file("east"))
    content["policy"]["maximum_rounds"] = 10**6
    run.site_file("east").write_text(tomli_w.dumps(content))
    one = check_same_policy(Site.from_file(run.site_file("east")))
    assert (one.status, one.found) == ("look", "changed since the last answer")
