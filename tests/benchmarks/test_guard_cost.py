from __future__ import annotations

from pathlib import Path

import pytest
from small_run import write_run

from benchmarks.guard_cost import repeated, site_of
from fl_components.guard.ledger import Ledger


def test_every_control_is_timed_on_answers_that_pass(tmp_path: Path) -> None:
    seal = site_of(tmp_path / "site", write_run(tmp_path / "run", subjects=0))
    seconds = repeated(seal, 4, 2)
    assert set(seconds) == {"received weights", "executor's guard", "site filter", "wire guard"}
    assert all(len(values) == 2 and min(values) > 0 for values in seconds.values())
    ledger = Ledger(seal.site.ledger)
    assert ledger.verify() is None
    assert [entry["decision"] for entry in ledger.entries()] == ["sent"] * (3 + 2)


def test_a_refused_answer_is_an_error(tmp_path: Path) -> None:
    seal = site_of(tmp_path / "site", write_run(tmp_path / "run", subjects=0))
    seal.site_file.write_text(seal.site_file.read_text() + "\n# edited\n")
    with pytest.raises(RuntimeError, match="site filter refused"):
        repeated(seal, 1, 1)
