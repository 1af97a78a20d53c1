from __future__ import annotations

from pathlib import Path

import pytest
from site_context import Context
from small_run import write_run

from fl_components.client.open_site import open_site
from fl_components.environment import RUN_VARIABLE
from jobs.run_folder import RunFolder
from privacy_eval.errors import InputError


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", subjects=0)


def test_the_run_folder_leads_to_the_site(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    opened = open_site(Context("east"), run.study().hash)
    assert opened.site.name == "east"
    assert opened.study == run.study()


def test_the_scope_of_the_site_wins(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path))
    context = Context("west", {"site_file": str(run.site_file("west"))})
    assert open_site(context, run.study().hash).site.name == "west"


def test_without_a_policy_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    with pytest.raises(InputError, match="is not set"):
        open_site(Context("east"), "0" * 64)


def test_a_job_for_another_study_is_refused(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, str(run.path))
    with pytest.raises(InputError, match="the job was made for 000000000000"):
        open_site(Context("east"), "0" * 64)


def test_a_file_of_another_site_is_refused(run: RunFolder) -> None:
    with pytest.raises(InputError, match="this process runs as 'west'"):
        open_site(Context("west", {"site_file": str(run.site_file("east"))}), run.study().hash)
