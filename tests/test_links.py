"""Links out of a site's data, and links in place of its records."""

from __future__ import annotations

from pathlib import Path

import pytest

from fl_components.guard.ledger import Ledger
from fl_components.links import require_inside, require_no_link
from privacy_eval.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with one file, and another patient's file outside."""
    (tmp_path / "root/case").mkdir(parents=True)
    (tmp_path / "root/case/scan").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/scan").write_text("another's")
    return tmp_path / "root"


def test_files_and_links_inside_are_fine_even_below_a_linked_root(root: Path) -> None:
    (root / "same").symlink_to(root / "case")
    (root.parent / "entry").symlink_to(root)
    require_inside(root, [root / "case/scan", root / "same/scan"])
    require_inside(root.parent / "entry", [root.parent / "entry/same/scan"])


@pytest.mark.parametrize("target", ["../elsewhere", "../root-two", "/"])
def test_a_folder_linked_from_outside_is_refused(root: Path, target: str) -> None:
    (root.parent / "root-two").mkdir()
    for folder in ("root-two", "elsewhere"):
        (root.parent / folder / "scan").touch()
    (root / "stranger").symlink_to(root / target)
    with pytest.raises(InputError, match=r"^[^\n]*stranger[^\n]*data\.root[^\n]*$|leads nowhere"):
        require_inside(root, [root / "stranger/scan"])


def test_a_linked_file_a_chain_of_links_and_a_way_up_are_refused(root: Path) -> None:
    (root / "first").symlink_to(root / "second")
    (root / "second").symlink_to(root.parent / "elsewhere/scan")
    for path in (root / "first", root / "second", root / "../elsewhere/scan"):
        with pytest.raises(InputError, match=r"out of data\.root"):
            require_inside(root, [path])


def test_links_to_nowhere_and_in_a_circle_are_refused(root: Path) -> None:
    (root / "nowhere").symlink_to(root / "gone")
    (root / "round").symlink_to(root / "about")
    (root / "about").symlink_to(root / "round")
    for name in ("nowhere", "round"):
        with pytest.raises(InputError, match="nowhere, or in a circle"):
            require_inside(root, [root / name])


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.anchor", "ledger.jsonl.torn"])
def test_a_ledger_behind_a_link_takes_and_tells_nothing(tmp_path: Path, name: str) -> None:
    ledger = Ledger(tmp_path / "site/ledger.jsonl")
    ledger.append({"decision": "sent"})
    record, moved = tmp_path / "site" / name, tmp_path / "moved"
    if record.exists():
        record.rename(moved)
    else:
        moved.touch()
    record.symlink_to(moved)
    before = moved.read_bytes()
    for use in (lambda: ledger.append({"decision": "sent"}), ledger.entries, lambda: require_no_link(record)):
        with pytest.raises(InputError, match=rf"{name}: a symbolic link"):
            use()
    assert "symbolic link" in str(ledger.verify())
    assert moved.read_bytes() == before
