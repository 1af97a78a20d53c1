from __future__ import annotations

from pathlib import Path

import pytest
from small_run import write_run

from fl_components.doctor.agreement import check_data, check_ledger, check_policy, laxer_values, read_study
from fl_components.guard.ledger import Ledger
from fl_components.site import EgressPolicy, Site
from jobs.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two sites of 13 empty cases: 13 x 0.4 is 5 members and more, the least of the small study."""
    run = write_run(tmp_path / "run", subjects=0)
    for k in range(13):
        case = run.site_folder("east") / "data" / f"case_{k:02d}"
        case.mkdir(parents=True)
        for suffix in ("t1", "t1ce", "t2", "flair", "seg"):
            (case / f"{case.name}_{suffix}.nii.gz").touch()
    return run


def site_of(run: RunFolder, name: str = "east") -> Site:
    return Site.from_file(run.site_file(name))


def test_enough_complete_cases(run: RunFolder) -> None:
    found, cases = check_data(site_of(run), run.study())
    assert (found.status, len(cases)) == ("ok", 13)
    assert "13 complete cases or more" in found.expected


def test_one_case_too_few(run: RunFolder) -> None:
    folder = run.site_folder("east") / "data" / "case_00"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    found, cases = check_data(site_of(run), run.study())
    assert (found.status, len(cases)) == ("look", 12)
    assert "abstains" in found.advice


def test_a_case_without_its_mask_is_named(run: RunFolder) -> None:
    (run.site_folder("east") / "data" / "case_03" / "case_03_seg.nii.gz").unlink()
    found, cases = check_data(site_of(run), run.study())
    assert (found.status, len(cases)) == ("fix", 12)
    assert "case_03_seg.nii.gz" in found.found


def test_no_data_folder(run: RunFolder) -> None:
    found, cases = check_data(site_of(run, "west"), run.study())
    assert (found.status, cases) == ("fix", [])
    assert "data.root" in found.found


def test_files_this_account_may_not_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_components.doctor.agreement.os.access", lambda path, mode: "case_05_t2" not in str(path))
    found, _ = check_data(site_of(run), None)
    assert (found.status, "case_05_t2" in found.found) == ("fix", True)


@pytest.mark.parametrize("given", ["whole", "short", "upper"])
def test_the_same_study(run: RunFolder, given: str) -> None:
    true = run.study().hash
    found, study = read_study(site_of(run), {"whole": true, "short": true[:12], "upper": true.upper()}[given])
    assert [one.status for one in found] == ["ok", "ok"]
    assert study == run.study()


def test_another_study(run: RunFolder) -> None:
    found, _ = read_study(site_of(run), "0" * 64)
    assert [one.status for one in found] == ["ok", "fix"]
    assert run.study().hash == found[1].found


def test_a_study_that_was_not_compared_shows_its_hash(run: RunFolder) -> None:
    found, _ = read_study(site_of(run), None)
    assert (found[1].status, found[1].found) == ("look", run.study().hash)


def test_a_study_without_this_site(run: RunFolder) -> None:
    found, _ = read_study(site_of(run).model_copy(update={"name": "north"}), None)
    assert found[0].status == "fix"
    assert "'north'" in found[0].expected


def test_a_missing_study_is_a_finding(run: RunFolder) -> None:
    run.study_file.unlink()
    found, study = read_study(site_of(run), None)
    assert ([one.status for one in found], study) == (["fix"], None)


def test_default_policy_is_not_laxer_than_itself() -> None:
    assert laxer_values(EgressPolicy()) == []


@pytest.mark.parametrize(("key", "laxer", "stricter"), [
    ("maximum_rounds", 1001, 10), ("maximum_update_norm", 101.0, 1.0), ("maximum_message_bytes", 2**40, 2**20),
    ("minimum_count", 3, 9), ("minimum_subjects", 5, 50), ("minimum_test_subjects", 3, 50),
    ("audit_epsilon", 0.1, 0.0)])
def test_each_laxer_value_is_named_and_no_stricter_one(key: str, laxer: float, stricter: float) -> None:
    (words,) = laxer_values(EgressPolicy.model_validate({key: laxer}))
    assert words.startswith(f"{key} = ")
    assert "default" in words
    assert laxer_values(EgressPolicy.model_validate({key: stricter})) == []


def test_policy_with_laxer_values_wants_a_look(run: RunFolder) -> None:
    found = check_policy(site_of(run), run.site_file("east"))
    assert found.status == "look"
    assert found.found == ("tasks evaluate_release, segment, segment_scores (not among the defaults); "
                           "minimum_count = 3 (default 5); minimum_subjects = 5 (default 20); "
                           "minimum_test_subjects = 3 (default 10)")


def test_policy_that_is_absent_or_restrictive(run: RunFolder) -> None:
    path = run.site_file("east")
    path.write_text(path.read_text().partition("[policy]")[0])
    assert "no table [policy]" in check_policy(site_of(run), path).found
    path.write_text(path.read_text() + "\n[policy]\nmaximum_rounds = 10\n")
    assert check_policy(site_of(run), path).status == "ok"


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.anchor"])
def test_ledger_that_others_could_write(run: RunFolder, name: str) -> None:
    site = site_of(run)
    Ledger(site.ledger).append({"number": 1})
    path = site.ledger.with_name(name)
    path.chmod(0o644)
    assert check_ledger(site).status == "ok"
    path.chmod(0o664)
    found = check_ledger(site)
    assert found.status == "fix"
    assert f"{path}, mode 0664" in found.found


def test_ledger_intact_broken_and_absent(run: RunFolder) -> None:
    site = site_of(run)
    assert check_ledger(site).status == "ok"
    for number in range(2):
        Ledger(site.ledger).append({"number": number})
    assert "2 entries, intact" in check_ledger(site).found
    site.ledger.write_text(site.ledger.read_text().replace('"number": 1', '"number": 7'))
    assert check_ledger(site).status == "fix"
    assert "line 2" in check_ledger(site).found
    Ledger(site.ledger).anchor.write_text("?")
    assert "not an anchor" in check_ledger(site).found
