"""What docs/security.md says was tried is what the tests try, no more and no less."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from redteam_parts import ATTEMPTS, ORDERS
from redteam_poison import POISONS
from test_redteam import REFUSED_JOBS, UNDEFENDED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
_HONEST = {"first_of_replay"}
"""What an attempt needs first, and may leave."""


def rows(heading: str) -> list[list[str]]:
    """The cells of a table, found by the beginning of its first line."""
    lines = PAGE[PAGE.index(heading):].split("\n")[2:]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines[:lines.index("")]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_attempt_is_in_the_table_once() -> None:
    named = [name for row in rows("| attempts (") for name in quoted(row[0]) if not name.endswith(".py")]
    assert sorted(named) == sorted([*set(ATTEMPTS) - _HONEST, *ORDERS, *REFUSED_JOBS])


def test_every_poisoned_update_is_in_the_table_once() -> None:
    named = [name for row in rows("| update (") for name in quoted(re.sub(r"\([^)]*\)", "", row[0]))]
    assert sorted(named) == sorted(set(POISONS) - {"honest"})


def test_attempts_are_counted_as_they_are() -> None:
    defended = len(set(ATTEMPTS) - _HONEST - UNDEFENDED)
    assert (f"{defended} that take something out beside one that is not defended, {len(ORDERS)}\norders of a hostile "
            f"server, {len(REFUSED_JOBS)} jobs and one under an edited policy; and {len(POISONS) - 1} poisoned") in PAGE
    assert len(UNDEFENDED) == 1


def test_every_stranger_at_the_door_is_in_the_table_with_its_test() -> None:
    tests = [node.name for node in ast.parse((Path(__file__).parent / "test_certificates.py").read_text()).body
             if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    named = [name for row in rows("| who comes |") for name in quoted(row[2])]
    assert sorted(named) == sorted(set(tests) - {"test_the_same_certificate_in_its_time_is_let_in"})


@pytest.mark.parametrize("path", sorted(set(re.findall(r"tests/[\w/]+\.py", PAGE))))
def test_a_test_that_is_named_is_there(path: str) -> None:
    assert "def test_" in (ROOT / path).read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:guard|client|server)/\w+\.py)`", PAGE))))
def test_a_control_that_is_named_is_there(path: str) -> None:
    assert (ROOT / "fl_components" / path).is_file()


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (benchmarks\.\w+)", PAGE))))
def test_a_command_that_measures_is_there(module: str) -> None:
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
